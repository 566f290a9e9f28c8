/** `npm run siege`: attacks and overloads, each against a fresh process with an honest caller beside it. */
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { type Cores, findCores, moveTo } from '../bench/cores.ts';
import { describeHost } from '../bench/machine.ts';
import { replaceRun } from '../bench/markdown.ts';
import { ATTACKS } from './attacks.ts';
import { boundsOf } from './bounds.ts';
import { describeRun } from './markdown.ts';
import { chosen, parseOptions, type SiegeOptions, USAGE } from './options.ts';
import { OVERLOADS } from './overloads.ts';
import { drawPicture } from './picture.ts';
import { runAttacks, runOverloads } from './sequence.ts';
import { ATTACK_HEADINGS, attackCells, brokenBounds, layout, OVERLOAD_HEADINGS, overloadCells } from './table.ts';
import { createSiegeWorld } from './world.ts';

const PICTURE = fileURLToPath(new URL('../docs/operate/siege.svg', import.meta.url));
const DOCUMENT = fileURLToPath(new URL('../docs/operate/siege.md', import.meta.url));
const SCENARIOS = [...ATTACKS, ...OVERLOADS];

const say = (line: string): void => void process.stderr.write(`${line}\n`);

/** The cores to bind processes to; null where the system binds none, or has one. */
function coresOrNone(): Cores | null {
  try {
    return findCores();
  } catch (error) {
    say(`${error instanceof Error ? error.message : error} Processes are not bound to cores: figures are noisy.`);
    return null;
  }
}

async function run(options: SiegeOptions): Promise<number> {
  const began = performance.now();
  const names = chosen(
    SCENARIOS.map(({ name }) => name),
    options.only,
  );
  const machine = describeHost();
  const cores = coresOrNone();
  if (cores !== null) moveTo(cores.load);
  await using stack = new AsyncDisposableStack();
  say('starting PostgreSQL, Redis and NATS');
  const world = await createSiegeWorld(stack);
  const how = { ...options, cores, say };
  const attacks = await runAttacks(
    world,
    ATTACKS.filter(({ name }) => names.includes(name)),
    how,
  );
  const overloads = await runOverloads(
    world,
    OVERLOADS.filter(({ name }) => names.includes(name)),
    how,
  );
  if (attacks.length > 0) print([ATTACK_HEADINGS, ...attacks.map(attackCells)]);
  if (overloads.length > 0) print([OVERLOAD_HEADINGS, ...overloads.flatMap(overloadCells)]);
  const broken = brokenBounds(attacks, overloads);
  process.stdout.write(broken.map((line) => `BROKEN: ${line}\n`).join(''));
  const { seconds, rounds } = options;
  if (options.json !== null) {
    const report = { machine, options: { seconds, rounds }, attacks, overloads, broken };
    await writeFile(options.json, `${JSON.stringify(report, null, 2)}\n`);
  }
  if (options.writeDocs) {
    const shown = ['npm run siege', '--', '--seconds', seconds, '--rounds', rounds].join(' ');
    const text = describeRun({ command: shown, machine, seconds, rounds, attacks, overloads, broken });
    await writeFile(PICTURE, drawPicture(attacks, boundsOf({ name: '', kind: 'strangers' }).p99Ms));
    await writeFile(DOCUMENT, replaceRun(await readFile(DOCUMENT, 'utf8'), text));
    say('docs/operate/siege.md and docs/operate/siege.svg have this run now');
  }
  say(`done in ${Math.round((performance.now() - began) / 1_000)} s`);
  return broken.length === 0 ? 0 : 1;
}

function print(rows: readonly (readonly string[])[]): void {
  process.stdout.write(`\n${layout(rows)}\n\n`);
}

try {
  const options = parseOptions(process.argv.slice(2));
  if (options === 'help') process.stdout.write(USAGE);
  else if (options === 'list')
    process.stdout.write(`${SCENARIOS.map(({ name, title }) => `${name}: ${title}`).join('\n')}\n`);
  else process.exitCode = await run(options);
} catch (error) {
  say(error instanceof Error ? (error.stack ?? error.message) : String(error));
  process.exitCode = 1;
}
