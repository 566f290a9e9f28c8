/** Every row of the table, in its order. */
import { setTimeout as delay } from 'node:timers/promises';
import { Consistency } from '../gen/assent/auth/v1/auth_service_pb.ts';
import { inProcessRow } from './in-process/row.ts';
import type { SubjectInput } from './in-process/subject.ts';
import { kitRows } from './kits/rows.ts';
import {
  checkBatch,
  checkByToken,
  checkByUserId,
  getUser,
  listPermissions,
  listUserOrganizations,
  type Question,
  verifyToken,
} from './questions.ts';
import { flushRedis, redisKeys } from './redis.ts';
import type { Row } from './row.ts';
import { askEach } from './rpc-client.ts';
import { type Load, type RpcRowOptions, rpcRow, variedRow } from './rpc-row.ts';
import { cerbosQuestion } from './servers/cerbos.ts';
import type { Targets } from './targets.ts';
import type { World } from './world.ts';

/** Light enough for every server that is compared, so that latency is the server's and not a queue's. */
const OPEN_RPS = 2_000;
const SLOW_RPS = 200;
/** More questions than calls in flight, so that two equal questions are never in flight together. */
const REDIS_KEYS = 512;
const MAX_FILLS = 10;
/** Longer than Assent leaves a slow Redis alone. */
const FILL_PAUSE_MS = 600;

const rpcRows = (world: World, targets: Targets, load: Load): readonly Row[] => {
  const { tokens, tokenOrganization, population } = world;
  const [subject = { userId: '', organizationId: '', role: '' }] = world.memberships(1);
  const row = (name: string, title: string, question: Question, options: Partial<RpcRowOptions> = {}): Row =>
    rpcRow({ name, title, target: targets.assent, openRps: OPEN_RPS, ...options }, question, load);
  const check = checkByUserId(subject);
  const memory = { source: 'memory' };

  const flush = (): Promise<void> => flushRedis(world.redisUrl);
  const redisQuestions = world.memberships(REDIS_KEYS).map((each) => checkByUserId(each));
  const allQuestions = world
    .memberships(population.users * population.membershipsPerUser)
    .map((each) => checkByUserId(each));
  const filled = async (askAll: () => Promise<void>): Promise<void> => {
    await flush();
    await askAll();
    // Stores are not awaited by the calls that make them, and a Redis that is slow for a moment is left alone.
    for (let attempt = 0; (await redisKeys(world.redisUrl)) < REDIS_KEYS; attempt += 1) {
      if (attempt === MAX_FILLS) throw new Error(`Redis does not hold ${REDIS_KEYS} entries`);
      await delay(FILL_PAUSE_MS);
      await askAll();
    }
  };
  // The baseline with Redis needs the entries that only Assent writes.
  const fillRedis = async (): Promise<void> => {
    const { address } = await targets.assentForgetful();
    await filled(async () => void (await askEach(address, redisQuestions)));
  };
  const varied = (
    name: string,
    title: string,
    questions: readonly Question[],
    reset: (askAll: () => Promise<void>) => Promise<void>,
    options: Partial<RpcRowOptions>,
  ): Row =>
    variedRow({ name, title, target: targets.assentForgetful, openRps: SLOW_RPS, ...options }, questions, load, reset);

  return [
    row('baseline/http2', 'bare node:http2 echo', check, { target: targets.http2Echo }),
    row('baseline/grpc-js', 'bare grpc-js echo', check, { target: targets.grpcEcho }),
    row('assent/check/memory', 'CheckPermission by user id, in memory', check, memory),
    row('assent/check/memory/unix', 'the same on a unix socket', check, { ...memory, target: targets.assentUnix }),
    row('assent/check/memory/workers-2', 'the same, two workers on all cores', check, {
      ...memory,
      target: targets.assentWorkers,
    }),
    row('peer/cerbos', 'Cerbos CheckResources', cerbosQuestion(subject), { target: targets.cerbos }),
    row('assent/check/hs256', 'CheckPermission by HS256 token', checkByToken(tokens.hs256, tokenOrganization), memory),
    row('assent/check/eddsa', 'CheckPermission by EdDSA token', checkByToken(tokens.edDsa, tokenOrganization), memory),
    varied('baseline/grpc-js/redis-get', 'bare grpc-js with one Redis GET', redisQuestions, fillRedis, {
      target: targets.grpcRedisGet,
      openRps: OPEN_RPS,
    }),
    varied('assent/check/redis', 'CheckPermission, in Redis', redisQuestions, filled, {
      source: 'redis',
      openRps: OPEN_RPS,
    }),
    varied('assent/check/miss', 'CheckPermission, a miss', allQuestions, flush, { source: 'database' }),
    row('assent/check/full', 'CheckPermission, FULL', checkByUserId(subject, Consistency.FULL), {
      source: 'database',
      openRps: SLOW_RPS,
    }),
    ...[1, 10, 100, 500].map((size) =>
      row(`assent/batch/${size}`, `BatchCheckPermissions of ${size}`, checkBatch(world.memberships(size)), {
        ...memory,
        decisions: size,
        openRps: size > 10 ? SLOW_RPS / (size / 100) : OPEN_RPS,
      }),
    ),
    row('assent/verify/hs256', 'VerifyToken HS256', verifyToken(tokens.hs256, tokens.userId)),
    row('assent/verify/eddsa', 'VerifyToken EdDSA', verifyToken(tokens.edDsa, tokens.userId)),
    row('assent/list-permissions', 'ListPermissions, in memory', listPermissions(subject)),
    row('assent/get-user', 'GetUser', getUser(subject.userId), { openRps: SLOW_RPS }),
    row(
      'assent/list-user-organizations',
      `ListUserOrganizations (${population.membershipsPerUser})`,
      listUserOrganizations(subject.userId, population.membershipsPerUser),
      { openRps: SLOW_RPS },
    ),
  ];
};

const inProcessRows = (world: World, load: Load, cores: string): readonly Row[] => {
  const { population, secret, tokens } = world;
  const all = world.memberships(population.users * population.membershipsPerUser);
  const [first = { userId: '', organizationId: '', role: '' }, ...others] = all;
  const input: SubjectInput = {
    ...first,
    others,
    secret,
    hs256: tokens.hs256,
    edDsa: tokens.edDsa,
    policyPath: world.environment['ASSENT_POLICY'] ?? '',
  };
  const row = (name: string, title: string, module: string): Row =>
    inProcessRow({ name, title, module, input, cores, seconds: load.seconds, stack: load.stack });
  return [
    row('in-process/jose/hs256', 'jose alone, HS256', 'jose-hs256'),
    row('in-process/jose/eddsa', 'jose alone, EdDSA', 'jose-eddsa'),
    row('in-process/assent', 'Assent: memory and decision, no RPC', 'decide'),
    row('peer/spicedb', 'SpiceDB embedded, no RPC', 'spicedb'),
    row('peer/casbin', 'casbin, no RPC', 'casbin'),
    row('peer/cedar', 'Cedar, no RPC', 'cedar'),
  ];
};

/** All rows; none is started yet. */
export const createRows = (world: World, targets: Targets, load: Load, serverCores: string): readonly Row[] => [
  ...rpcRows(world, targets, load),
  ...inProcessRows(world, load, serverCores),
  ...kitRows(world, targets.assent, load),
];
