/** `npm run demo`: everything started, the tour, then either the end (`-- --once`) or lines to paste until Ctrl-C. */
import { parseArgs } from 'node:util';
import { createCommitClock } from './flip.ts';
import { printLines } from './lines.ts';
import { startLive } from './live.ts';
import { createOwnTime } from './own-time.ts';
import { print } from './print.ts';
import { runProgram } from './program.ts';
import { createGrpcClient } from './scene.ts';
import { interrupted } from './stop.ts';
import { runTour, type TourReport } from './tour.ts';

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
  const { application, scene, assent, nats } = await startLive(stack);
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
