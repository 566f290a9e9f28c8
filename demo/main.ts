/** `npm run demo`: everything started, the tour, then either the end (`-- --once`) or lines to paste until Ctrl-C. */
import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { startAssent } from '../tools/assent/assent-process.ts';
import { grantLeastPrivilege } from '../tools/assent/least-privilege.ts';
import { createApplication } from './application/server.ts';
import { createCommitClock } from './flip.ts';
import { printLines } from './lines.ts';
import { createOwnTime } from './own-time.ts';
import { print } from './print.ts';
import { runProgram } from './program.ts';
import { createGrpcClient, createScene } from './scene.ts';
import { startServices } from './services.ts';
import { interrupted } from './stop.ts';
import { runTour, type TourReport } from './tour.ts';

const POLICY = fileURLToPath(new URL('policy.yaml', import.meta.url));
const TOKEN_LIFETIME = '1h';

const sayResult = ({ steps, failed, leftOut, flips }: TourReport): void => {
  print.say();
  for (const flip of flips) print.flip(flip);
  for (const title of leftOut) print.problem(`left out, since NATS cannot be had here: ${title}`);
  for (const title of failed) print.problem(`did not hold: ${title}`);
  print.title(
    `${steps - failed.length} of ${steps} steps held${leftOut.length > 0 ? `, ${leftOut.length} left out` : ''}`,
  );
};

/** Starts everything and runs the tour. */
const runLive = async (stack: AsyncDisposableStack) => {
  print.title('Assent, live');
  const { databaseUrl, redisUrl, nats } = await startServices(stack);
  if (redisUrl === null) print.problem('  without Redis: each process of Assent remembers for itself');
  if (nats === null) print.problem('  without NATS: Assent receives no events');

  const secret = randomBytes(32).toString('hex');
  const names = nats === null ? {} : { stream: nats.stream, prefix: nats.prefix };
  const application = await print.during('the Better Auth application', async () => {
    const options = { databaseUrl, secret, natsUrl: nats?.url ?? null, ...names };
    const started = await createApplication({ ...options, tokenLifetime: TOKEN_LIFETIME });
    stack.defer(() => started.stop());
    await started.migrate();
    return started;
  });
  const scene = await createScene(application);

  const assent = await print.during('Assent', async () => {
    const settings = {
      DATABASE_URL: await grantLeastPrivilege(databaseUrl),
      BETTER_AUTH_SECRET: secret,
      BETTER_AUTH_URL: application.url,
      ASSENT_POLICY: POLICY,
      ...(redisUrl === null ? {} : { REDIS_URL: redisUrl }),
      ...(nats === null ? {} : { NATS_URL: nats.url, NATS_STREAM: nats.stream, ASSENT_EVENTS_PREFIX: nats.prefix }),
    };
    return stack.adopt(await startAssent(settings), async (started) => void (await started.stop()));
  });
  const { client, close } = await createGrpcClient(assent.grpcUrl);
  stack.defer(close);

  const commits = nats === null ? null : await createCommitClock(nats.url, nats.prefix);
  if (commits !== null) stack.defer(() => commits.close());

  const ownTime = createOwnTime(assent.httpUrl ?? '');
  const report = await runTour({ application, scene, client, ownTime, commits });
  return { report, application, scene, assent };
};

/** Everything from the first line to the last but the stopping; the exit code. */
const run = async (once: boolean, stack: AsyncDisposableStack): Promise<number> => {
  const stopped = interrupted();
  stack.defer(() => print.note('stopping everything …'));
  const live = await Promise.race([runLive(stack), stopped]);
  if (typeof live === 'number') return live;
  const { report, assent, ...rest } = live;
  sayResult(report);
  const code = report.failed.length === 0 ? 0 : 1;
  if (once) return code;

  printLines({ assent, ...rest, token: await rest.scene.olivia.token() }, 'an hour');
  print.say();
  print.title('Everything stays up until Ctrl-C');
  const ended = await Promise.race([stopped, assent.exited]);
  if (typeof ended === 'number') return code;
  print.problem(`Assent has ended by itself: ${JSON.stringify(assent.logs().at(-1))} ${assent.stderr()}`);
  return 1;
};

await runProgram((stack) => {
  const { values } = parseArgs({ options: { once: { type: 'boolean', default: false } } });
  return run(values.once, stack);
});
