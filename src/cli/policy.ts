/** `npm run policy -- check FILE…` and `npm run policy -- test FILE…`. Exit codes: 0 success, 1 problems, 2 wrong usage. */
import { checkPolicyFile, type Findings, testPolicyFile } from './policy-files.ts';

const USAGE = `usage: npm run policy -- check FILE...   validates policy files
       npm run policy -- test FILE...    runs cases against a policy (docs/use/policy.md)
`;

const COMMANDS: ReadonlyMap<string | undefined, (file: string) => Findings> = new Map([
  ['check', checkPolicyFile],
  ['test', testPolicyFile],
]);

const [command, ...files] = process.argv.slice(2);
const run = COMMANDS.get(command);
if (run === undefined || files.length === 0) {
  process.stderr.write(USAGE);
  process.exitCode = 2;
} else {
  const found = files.map(run);
  for (const { lines } of found) process.stdout.write(`${lines.join('\n')}\n`);
  process.exitCode = found.some(({ problems }) => problems > 0) ? 1 : 0;
}
