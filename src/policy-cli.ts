/** `npm run policy -- check FILE…` and `npm run policy -- test FILE…`. 0: all well; 1: problems; 2: wrong usage. */
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { CaseFileError, parseCaseFile, runCase } from './policy/cases.ts';
import { describePolicy, PolicyError, parsePolicy } from './policy/policy-file.ts';

const USAGE = `usage: npm run policy -- check FILE...   validates policy files
       npm run policy -- test FILE...    runs cases against a policy (docs/use/policy.md)
`;

const print = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

/** Runs `work` for a file; problems of the file are printed and counted, anything else is thrown. */
const guarded = (file: string, work: () => number): number => {
  try {
    return work();
  } catch (error) {
    const unreadable = error instanceof Error && 'code' in error && 'path' in error;
    if (unreadable) print(`${file}: cannot be read (${String(error.code)})`);
    else if (error instanceof PolicyError || error instanceof CaseFileError) print(error.message);
    else throw error;
    return 1;
  }
};

const check = (file: string): number => {
  print(`${file}: ok: ${describePolicy(parsePolicy(readFileSync(file, 'utf8'), file))}`);
  return 0;
};

const test = (file: string): number => {
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
};

const [command, ...files] = process.argv.slice(2);
const commands: ReadonlyMap<string | undefined, (file: string) => number> = new Map([
  ['check', check],
  ['test', test],
]);
const run = commands.get(command);
if (run === undefined || files.length === 0) {
  process.stderr.write(USAGE);
  process.exitCode = 2;
} else {
  const problems = files.map((file) => guarded(file, () => run(file)));
  process.exitCode = problems.some((count) => count > 0) ? 1 : 0;
}
