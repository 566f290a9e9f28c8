/** `assent-policy`: exit code 0 for success, 1 when `diff` found differences, 2 for every error. */
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { parseArgs } from 'node:util';
import { comparePolicies, PolicyError, readPolicy, writePolicy } from '@assent/policy-format';
import { LoadError, loadAuth } from './policy/load-auth.ts';

const USAGE = `usage: assent-policy export AUTH_FILE             prints the policy that a Better Auth instance amounts to
       assent-policy diff POLICY_FILE AUTH_FILE   prints in what the two differ; exit code 1 when they do
         --export NAME                            the export to take, where it is not "auth", the default or the only one

AUTH_FILE exports an instance of Better Auth. It is loaded, with the variables of .env.local and .env, but nothing of it is
called and no database is needed. Only where NAME is a function that makes the instance, that is called with process.env.
TypeScript needs Node 22.18 or newer, or Bun, which knows JSX and decorators, too: bunx --bun assent-policy …
`;

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  const parsed = parseArguments(args);
  if (parsed?.help === true) {
    process.stdout.write(USAGE);
    return 0;
  }
  const [command, ...files] = parsed?.positionals ?? [];
  const [first = '', second = ''] = files;
  try {
    if (command === 'export' && files.length === 1) return await exportPolicy(first, parsed?.exportName);
    if (command === 'diff' && files.length === 2) return await diffPolicy(first, second, parsed?.exportName);
  } catch (error) {
    if (!(error instanceof LoadError || error instanceof PolicyError)) throw error;
    for (const line of error.message.split('\n')) report(line);
    return 2;
  }
  process.stderr.write(USAGE);
  return 2;
}

/** Separates the options from the positional arguments; null for an unknown option. */
function parseArguments(args: readonly string[]) {
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
}

async function exportPolicy(authFile: string, exportName: string | undefined): Promise<number> {
  const { policy, dynamicRoles, notes } = await loadAuth(authFile, exportName);
  const comments = [`Exported from ${basename(authFile)} by assent-policy: change that, and export again.`, ...notes];
  if (dynamicRoles === false) {
    comments.push('Dynamic roles are off there: if their table exists, set ASSENT_NAMING=auto,organizationRole=off.');
  }
  process.stdout.write(writePolicy(policy, comments));
  for (const note of notes) report(`note: ${note}`);
  return 0;
}

async function diffPolicy(policyFile: string, authFile: string, exportName: string | undefined): Promise<number> {
  const file = readPolicy(readText(policyFile), policyFile);
  const { policy } = await loadAuth(authFile, exportName);
  const lines = comparePolicies(file, policy);
  if (lines.length === 0) return 0;
  process.stdout.write(`--- ${policyFile}\n+++ ${authFile}\n${lines.join('\n')}\n`);
  return 1;
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'error';
    throw new LoadError(code === 'ENOENT' ? `${file}: no such file` : `${file}: cannot be read (${code})`);
  }
}

/** Writes a line to stderr: stdout is for the policy and the differences. */
function report(line: string): void {
  process.stderr.write(`assent-policy: ${line}\n`);
}
