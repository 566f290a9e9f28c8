/** `npm run bench`: everything side by side in one run. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findCores, moveTo } from './cores.ts';
import { createH2load, findH2load, versionOf } from './h2load.ts';
import { installPeers } from './install.ts';
import { describeMachine } from './machine.ts';
import { describeRun, replaceRun } from './markdown.ts';
import { measureOnce } from './once.ts';
import { type BenchOptions, parseOptions, USAGE } from './options.ts';
import { drawPicture } from './picture.ts';
import { profileQuestion } from './profile-question.ts';
import { compare } from './ratios.ts';
import { runRounds } from './rounds.ts';
import { createRows } from './rows.ts';
import { measureScale } from './scale.ts';
import { ratiosTable, rowsTable } from './table.ts';
import { createTargets } from './targets.ts';
import { createWorld } from './world.ts';

const PICTURE = fileURLToPath(new URL('../docs/operate/performance.svg', import.meta.url));
const DOCUMENT = fileURLToPath(new URL('../docs/operate/performance.md', import.meta.url));
const RESULTS = fileURLToPath(new URL('results', import.meta.url));

const say = (line: string): void => void process.stderr.write(`${line}\n`);

const run = async (options: BenchOptions): Promise<void> => {
  const began = performance.now();
  if (options.scale) {
    await using stack = new AsyncDisposableStack();
    process.stdout.write(await measureScale(stack, say));
    return;
  }
  const { rounds, seconds, only } = options;
  const cores = findCores();
  const program = await findH2load();
  if (!options.profile) installPeers();
  // Everything that is not measured runs beside the load, never beside the server.
  moveTo(cores.load);
  const machine = describeMachine(cores, await versionOf(program));
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'assent-bench-'));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  say('starting PostgreSQL, Redis and NATS');
  const world = await createWorld(stack);
  const load = { h2load: createH2load(program, cores.load, folder), cores: cores.load, seconds, folder, stack };
  const rows = createRows(world, createTargets(world, cores, folder, stack), load, cores.server);
  const wanted = rows.filter(({ name }) => only?.test(name) ?? true);
  if (options.profile) {
    const row = only === null ? rows.find(({ name }) => name === 'assent/check/memory') : wanted[0];
    if (row === undefined || row.question === null) throw new Error('--profile needs a row of one request.');
    await mkdir(RESULTS, { recursive: true });
    const file = `${row.name.replaceAll('/', '-')}.cpuprofile`;
    process.stdout.write(await profileQuestion(row.question, world, cores, load, join(RESULTS, file)));
    process.stdout.write(`the profile is bench/results/${file}\n`);
    return;
  }
  // Before anything else runs on the servers' core.
  const extras =
    only === null ? await measureOnce(world, cores, say) : { startSeconds: null, millionEntriesMegabytes: null };
  const { results, leftOut } = await runRounds(wanted, rounds, say);
  const ratios = compare(results, extras);
  process.stdout.write(`\n${rowsTable(results, leftOut)}\n\n${ratiosTable(ratios)}\n`);
  if (options.json !== null) {
    const report = { machine, options: { rounds, seconds }, rows: results, leftOut, extras, ratios };
    await writeFile(options.json, `${JSON.stringify(report, null, 2)}\n`);
  }
  if (options.writeDocs) {
    await writeFile(PICTURE, drawPicture(results));
    // The path of the JSON file is not part of the printed command.
    const shown = process.argv.slice(2).filter((word, index, all) => word !== '--json' && all[index - 1] !== '--json');
    const command = ['npm run bench', '--', ...shown].join(' ');
    const run = describeRun({ command, machine, rounds, seconds, results, leftOut, ratios });
    await writeFile(DOCUMENT, replaceRun(await readFile(DOCUMENT, 'utf8'), run));
    say('docs/operate/performance.md and docs/operate/performance.svg have this run now');
  }
  say(`done in ${Math.round((performance.now() - began) / 1_000)} s`);
};

try {
  const options = parseOptions(process.argv.slice(2));
  if (options === null) process.stdout.write(USAGE);
  else await run(options);
} catch (error) {
  say(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
