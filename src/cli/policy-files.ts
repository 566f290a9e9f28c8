/** What `npm run policy` and `assent policy` do with a file: the findings as lines, without printing them. */
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { CaseFileError, parseCaseFile, runCase } from '../policy/cases.ts';
import { describePolicy, PolicyError, parsePolicy } from '../policy/file.ts';

/** What was found in a file. */
export interface Findings {
  readonly lines: readonly string[];
  readonly problems: number;
}

/** Validates a policy file. */
export function checkPolicyFile(file: string): Findings {
  return findingsOf(file, () => ({
    lines: [`${file}: ok: ${describePolicy(parsePolicy(readFileSync(file, 'utf8'), file))}`],
    problems: 0,
  }));
}

/** Runs the cases of a file against the policy that it names. */
export function testPolicyFile(file: string): Findings {
  return findingsOf(file, () => {
    const cases = parseCaseFile(readFileSync(file, 'utf8'), file, (path) =>
      readFileSync(resolve(dirname(file), path), 'utf8'),
    );
    const lines: string[] = [];
    for (const one of cases.cases) {
      const problem = runCase(cases, one);
      if (problem !== null) lines.push(`${file}: ${one.name}: ${problem}`);
    }
    const problems = lines.length;
    return { lines: [...lines, `${file}: ${cases.cases.length - problems} passed, ${problems} failed`], problems };
  });
}

/** Runs `work`; a file that is invalid or cannot be read is a problem, and every other error is thrown. */
function findingsOf(file: string, work: () => Findings): Findings {
  try {
    return work();
  } catch (error) {
    const unreadable = error instanceof Error && 'code' in error && 'path' in error;
    if (unreadable) return { lines: [`${file}: cannot be read (${String(error.code)})`], problems: 1 };
    if (error instanceof PolicyError || error instanceof CaseFileError) return { lines: [error.message], problems: 1 };
    throw error;
  }
}
