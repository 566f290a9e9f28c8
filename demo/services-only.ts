/** `npm run services`: what Assent and an application need beside themselves, until Ctrl-C. For trying things out. */
import { randomBytes } from 'node:crypto';
import { dirname } from 'node:path';
import { print } from './print.ts';
import { runProgram } from './program.ts';
import { startServices } from './services.ts';
import { interrupted } from './stop.ts';

const run = async (stack: AsyncDisposableStack): Promise<number> => {
  const stopped = interrupted();
  const started = await Promise.race([startServices(stack), stopped]);
  if (typeof started === 'number') return 0;
  const { databaseUrl, redisUrl, nats } = started;
  const variables = {
    DATABASE_URL: databaseUrl,
    REDIS_URL: redisUrl,
    NATS_URL: nats?.url ?? null,
    // A server that was already running can hold the user's events.
    ...(nats === null || nats.stream === 'BETTERAUTH'
      ? {}
      : { NATS_STREAM: nats.stream, ASSENT_EVENTS_PREFIX: nats.prefix }),
    BETTER_AUTH_SECRET: randomBytes(32).toString('hex'),
    BETTER_AUTH_URL: 'http://localhost:3000',
  };
  print.say();
  print.title('Paste these lines into every terminal that is to use them; everything is gone with Ctrl-C');
  print.say();
  for (const [name, value] of Object.entries(variables)) if (value !== null) print.say(`export ${name}='${value}'`);
  // The Node that runs this knows TypeScript, and that of the machine may not.
  print.say(`export PATH='${dirname(process.execPath)}':"$PATH"`);
  print.say();
  // Signals alone keep no process alive.
  const alive = setInterval(() => {}, 60_000);
  await stopped;
  clearInterval(alive);
  print.note('stopping everything …');
  return 0;
};

await runProgram(run);
