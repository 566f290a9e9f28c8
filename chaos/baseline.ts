/**
 * A replica that is nothing but its drivers: the least that a publish, a miss and an answer take on a machine, for
 * `npm run chaos -- --no-faults --service chaos/baseline.ts`. It answers the questions of that run and keeps no promise: it renews no
 * lease, its entries have no age, and anyone who can write to Redis decides.
 */
import { createServer } from 'node:http2';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { Redis } from 'ioredis';
import { connect } from 'nats';
import { Client } from 'pg';
import {
  BatchCheckPermissionsRequestSchema,
  BatchCheckPermissionsResponseSchema,
  type CheckPermissionRequest,
  CheckPermissionRequestSchema,
  type CheckPermissionResponse,
  CheckPermissionResponseSchema,
  Reason,
  Source,
} from '../gen/assent/auth/v1/auth_service_pb.ts';
import { LACKING_ROLE } from './population.ts';
import { STREAM } from './topology.ts';

/** What is known of a pair, and at which event its read began. */
interface Entry {
  readonly seq: number;
  readonly banned: boolean;
  readonly role: string | null;
}

interface Row {
  readonly banned: boolean | null;
  readonly role: string | null;
}

const LIFE_MS = 300_000;
const PREFIX_BYTES = 5;
const OK = { 'grpc-status': '0' };
const QUERY = `SELECT u.banned, m.role FROM users u
  LEFT JOIN members m ON m."userId" = u.id AND m."organizationId" = $2 WHERE u.id = $1`;

const setting = (name: string): string => {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set`);
  return value;
};

const redis = new Redis(setting('REDIS_URL'));
const database = new Client({ connectionString: setting('DATABASE_URL') });
await database.connect();

const nats = await connect({ servers: setting('NATS_URL') });
const { streams } = await nats.jetstreamManager();
const find = () => streams.info(STREAM);
const { created, state } = await find().catch(() =>
  streams.add({ name: STREAM, subjects: ['betterauth.>'] }).catch(find),
);
/** As the stream numbers them: there is no other publisher, and nothing is lost between two processes of one run. */
let applied = state.last_seq;
const changed = new Map<string, number>();
const memory = new Map<string, Entry>();
nats.subscribe('betterauth.>', {
  callback: (_error, message) => {
    const { userId, organizationId } = message.json<{ userId: string; organizationId?: string }>();
    applied += 1;
    const key = organizationId === undefined ? userId : `${userId}:${organizationId}`;
    changed.set(key, applied);
    if (organizationId !== undefined) void redis.unlink(`perm:${key}`);
  },
});
await nats.flush();

const current = ({ seq }: Entry, userId: string, key: string): boolean =>
  seq >= (changed.get(userId) ?? 0) && seq >= (changed.get(key) ?? 0);

const answer = ({ banned, role }: Entry, source: Source): CheckPermissionResponse => {
  const granted = role !== null && !role.split(',').includes(LACKING_ROLE);
  const member = granted ? Reason.ROLE_GRANTS : Reason.ROLE_LACKS_PERMISSION;
  const reason = banned ? Reason.USER_BANNED : role === null ? Reason.NOT_A_MEMBER : member;
  const roles = role?.split(',') ?? [];
  return create(CheckPermissionResponseSchema, { allowed: !banned && granted, reason, roles, source });
};

const load = async (userId: string, organizationId: string, key: string): Promise<CheckPermissionResponse> => {
  const seq = applied;
  const cached = await redis.get(`perm:${key}`);
  const shared: Entry | null = cached === null ? null : JSON.parse(cached);
  if (shared !== null && current(shared, userId, key)) {
    memory.set(key, shared);
    return answer(shared, Source.REDIS);
  }
  const { rows } = await database.query<Row>({ name: 'facts', text: QUERY, values: [userId, organizationId] });
  const entry = { seq, banned: rows[0]?.banned === true, role: rows[0]?.role ?? null };
  if (current(entry, userId, key)) {
    memory.set(key, entry);
    void redis.set(`perm:${key}`, JSON.stringify(entry), 'PX', LIFE_MS);
  }
  return answer(entry, Source.DATABASE);
};

const check = ({
  subject,
  scope,
}: CheckPermissionRequest): CheckPermissionResponse | Promise<CheckPermissionResponse> => {
  const userId = String(subject.value);
  const organizationId = String(scope.value);
  const key = `${userId}:${organizationId}`;
  const entry = memory.get(key);
  return entry !== undefined && current(entry, userId, key)
    ? answer(entry, Source.MEMORY)
    : load(userId, organizationId, key);
};

const serveOne = async (message: Uint8Array): Promise<Uint8Array> =>
  toBinary(CheckPermissionResponseSchema, await check(fromBinary(CheckPermissionRequestSchema, message)));

const serveBatch = async (message: Uint8Array): Promise<Uint8Array> => {
  const responses = await Promise.all(fromBinary(BatchCheckPermissionsRequestSchema, message).checks.map(check));
  const results = responses.map((value) => ({ outcome: { case: 'response' as const, value } }));
  return toBinary(BatchCheckPermissionsResponseSchema, create(BatchCheckPermissionsResponseSchema, { results }));
};

const framed = (message: Uint8Array): Buffer => {
  const frame = Buffer.alloc(PREFIX_BYTES + message.length);
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, PREFIX_BYTES);
  return frame;
};

const server = createServer();
server.on('stream', (stream, headers) => {
  const pieces: Buffer[] = [];
  stream.on('error', () => {});
  stream.on('data', (piece: Buffer) => pieces.push(piece));
  stream.on('end', async () => {
    const revision = `js:${STREAM}:${created}:${applied}`;
    const serve = headers[':path']?.endsWith('/CheckPermission') === true ? serveOne : serveBatch;
    const response = framed(await serve(Buffer.concat(pieces).subarray(PREFIX_BYTES)));
    if (stream.destroyed) return;
    stream.respond(
      { ':status': 200, 'content-type': 'application/grpc', 'assent-position': revision },
      { waitForTrailers: true },
    );
    stream.on('wantTrailers', () => stream.sendTrailers(OK));
    stream.end(response);
  });
});
const address = setting('ASSENT_GRPC_ADDRESS');
const [host, port] = address.split(':');
server.listen(Number(port), host, () => {
  process.stdout.write(`${JSON.stringify({ level: 30, event: 'service.serving', msg: 'serving', grpc: address })}\n`);
});
process.once('SIGTERM', () => process.exit(0));
