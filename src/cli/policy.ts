/** `npm run policy -- check FILE…` and `npm run policy -- test FILE…`. Exit codes: 0 success, 1 problems, 2 wrong usage. */
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { CaseFileError, parseCaseFile, runCase } from '../policy/cases.ts';
import { describePolicy, PolicyError, parsePolicy } from '../policy/file.ts';

const USAGE = `usage: npm run policy -- check FILE...   validates policy files
       npm run policy -- test FILE...    runs cases against a policy (docs/use/policy.md)
`;

/** Each runs for one file, prints what it finds, and returns the number of problems. */
const COMMANDS: ReadonlyMap<string | undefined, (file: string) => number> = new Map([
  ['check', check],
  ['test', test],
]);

const [command, ...files] = process.argv.slice(2);
const run = COMMANDS.get(command);
if (run === undefined || files.length === 0) {
  process.stderr.write(USAGE);
  process.exitCode = 2;
} else {
  const problems = files.map((file) => printProblems(file, () => run(file)));
  process.exitCode = problems.some((count) => count > 0) ? 1 : 0;
}

function check(file: string): number {
  print(`${file}: ok: ${describePolicy(parsePolicy(readFileSync(file, 'utf8'), file))}`);
  return 0;
}

function test(file: string): number {
  const cases = parseCaseFile(readFileSync(file, 'utf8'), file, (path) =>
    readFileSync(resolve(dirname(file), path), 'utf8'),
  );
  let failed = 0;
  for (const one of cases.cases) {
    const problem = runCase(cases, one);
    if (problem === null) continue;
    failed += 1;
    print(`${file}: ${one.name}: ${problem}`);
  }
  print(`${file}: ${cases.cases.length - failed} passed, ${failed} failed`);
  return failed;
}

/** Runs `work`; prints the problems of an invalid or unreadable file, and throws every other error. */
function printProblems(file: string, work: () => number): number {
  try {
    return work();
  } catch (error) {
    const unreadable = error instanceof Error && 'code' in error && 'path' in error;
    if (unreadable) print(`${file}: cannot be read (${String(error.code)})`);
    else if (error instanceof PolicyError || error instanceof CaseFileError) print(error.message);
    else throw error;
    return 1;
  }
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
