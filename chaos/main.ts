/** `npm run chaos`: the promise of docs/understand/consistency.md, looked at from outside while everything around the service breaks. */
import { writeFile } from 'node:fs/promises';
import { interrupted } from '../demo/stop.ts';
import { parseOptions, USAGE } from './options.ts';
import { defects, lastLine, problems, type Results, summary, toJson } from './report.ts';
import { run } from './run.ts';
import { createWorld } from './world.ts';

const say = (line: string): void => void process.stdout.write(`${line}\n`);

/** Starts everything, runs, and stops everything again; null when it was stopped before it began. */
const live = async (options: NonNullable<ReturnType<typeof parseOptions>>, stopped: AbortSignal) => {
  await using stack = new AsyncDisposableStack();
  say(`seed ${options.seed}: starting PostgreSQL, Redis, NATS (${options.topology}) and three replicas`);
  const world = await createWorld(stack, options);
  if (stopped.aborted) return null;
  const results: Results = await run({ options, world, stopped, say });
  say('stopping everything');
  return results;
};

const main = async (): Promise<number> => {
  const options = parseOptions(process.argv.slice(2));
  if (options === null) {
    say(USAGE);
    return 0;
  }
  const stopping = new AbortController();
  let interruption = 0;
  void interrupted().then((code) => {
    interruption = code;
    stopping.abort();
  });
  const results = await live(options, stopping.signal);
  if (results === null) return interruption;
  if (options.json !== null) await writeFile(options.json, `${JSON.stringify(toJson(results), null, 2)}\n`);
  for (const line of [...summary(results), lastLine(results)]) say(line);
  // What was found counts, however short the run was.
  if (interruption !== 0 && defects(results).length === 0) return interruption;
  return problems(results).length === 0 ? 0 : 1;
};

try {
  process.exit(await main());
} catch (error) {
  say(error instanceof Error ? (error.stack ?? error.message) : String(error));
  process.exit(1);
}
