/** `assent-policy`: 0 when all is well, 1 when `diff` found drift, 2 for everything else. */
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { parseArgs } from 'node:util';
import { comparePolicies } from './policy/compare.ts';
import { LoadError, loadAuth } from './policy/load-auth.ts';
import { PolicyFileError, readPolicy } from './policy/read-policy.ts';
import { writePolicy } from './policy/write-policy.ts';

const USAGE = `usage: assent-policy export AUTH_FILE             prints the policy that a Better Auth instance amounts to
       assent-policy diff POLICY_FILE AUTH_FILE   prints in what the two differ; exit code 1 when they do
         --export NAME                            the export to take, where it is not "auth", the default or the only one

AUTH_FILE exports an instance of Better Auth. It is loaded, with the variables of .env.local and .env, but nothing of it is
called and no database is needed. Only where NAME is a function that makes the instance, that is called with process.env.
TypeScript needs Node 22.18 or newer, or Bun, which knows JSX and decorators, too: bunx --bun assent-policy …
`;

const say = (line: string): void => void process.stderr.write(`assent-policy: ${line}\n`);

const readText = (file: string): string => {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'error';
    throw new PolicyFileError(code === 'ENOENT' ? `${file}: no such file` : `${file}: cannot be read (${code})`);
  }
};

const exportPolicy = async (authFile: string, exportName: string | undefined): Promise<number> => {
  const { policy, dynamicRoles, notes } = await loadAuth(authFile, exportName);
  const comments = [`Exported from ${basename(authFile)} by assent-policy: change that, and export again.`, ...notes];
  if (dynamicRoles === false) {
    comments.push('Dynamic roles are off there: if their table exists, set ASSENT_NAMING=auto,organizationRole=off.');
  }
  process.stdout.write(writePolicy(policy, comments));
  for (const note of notes) say(`note: ${note}`);
  return 0;
};

const diffPolicy = async (policyFile: string, authFile: string, exportName: string | undefined): Promise<number> => {
  const file = readPolicy(readText(policyFile), policyFile);
  const { policy } = await loadAuth(authFile, exportName);
  const lines = comparePolicies(file, policy);
  if (lines.length === 0) return 0;
  process.stdout.write(`--- ${policyFile}\n+++ ${authFile}\n${lines.join('\n')}\n`);
  return 1;
};

/** The arguments without `--export NAME`, and that name; null when it is not written so. */
const parseArguments = (args: readonly string[]) => {
  try {
    const { positionals, values } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { export: { type: 'string' }, help: { type: 'boolean', short: 'h' } },
    });
    return { positionals, exportName: values.export, help: values.help === true };
  } catch {
    return null;
  }
};

const main = async (args: readonly string[]): Promise<number> => {
  const parsed = parseArguments(args);
  const [command, ...files] = parsed?.positionals ?? [];
  const [first = '', second = ''] = files;
  const asked = parsed?.help === true;
  try {
    if (!asked && command === 'export' && files.length === 1) return await exportPolicy(first, parsed?.exportName);
    if (!asked && command === 'diff' && files.length === 2) return await diffPolicy(first, second, parsed?.exportName);
  } catch (error) {
    if (!(error instanceof LoadError || error instanceof PolicyFileError)) throw error;
    for (const line of error.message.split('\n')) say(line);
    return 2;
  }
  (asked ? process.stdout : process.stderr).write(USAGE);
  return asked ? 0 : 2;
};

process.exitCode = await main(process.argv.slice(2));
