/** `assent-policy`: exit code 0 for success, 1 when `diff` found differences, 2 for every error. */
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { parseArgs } from 'node:util';
import { comparePolicies, PolicyError, readPolicy, writePolicy } from '@assent/policy-format';
import { LoadError, loadAuth } from './policy/load-auth.ts';
import {
  goConstants,
  isGoPackageName,
  namelessPatterns,
  permissionNames,
  typescriptType,
} from './policy/permission-types.ts';

const USAGE = `usage: assent-policy export AUTH_FILE             prints the policy that a Better Auth instance amounts to
       assent-policy diff POLICY_FILE AUTH_FILE   prints in what the two differ; exit code 1 when they do
         --export NAME                            the export to take, where it is not "auth", the default or the only one
       assent-policy types POLICY_FILE --ts       prints its permissions as the type Permission of TypeScript
       assent-policy types POLICY_FILE --go       prints them as constants of Go: leave:approve is LeaveApprove
         --package NAME                           the Go package, where it is not "permissions"

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
    if (command === 'types' && files.length === 1 && parsed !== null) return printTypes(first, parsed);
  } catch (error) {
    if (!(error instanceof LoadError || error instanceof PolicyError)) throw error;
    for (const line of error.message.split('\n')) report(line);
    return 2;
  }
  process.stderr.write(USAGE);
  return 2;
}

interface Arguments {
  readonly positionals: readonly string[];
  readonly exportName: string | undefined;
  readonly ts: boolean;
  readonly go: boolean;
  readonly packageName: string | undefined;
  readonly help: boolean;
}

/** Separates the options from the positional arguments; null for an unknown option, which it names. */
function parseArguments(args: readonly string[]): Arguments | null {
  try {
    const { positionals, values } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        export: { type: 'string' },
        ts: { type: 'boolean' },
        go: { type: 'boolean' },
        package: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    });
    const { ts = false, go = false, package: packageName, help = false } = values;
    return { positionals, exportName: values.export, ts, go, packageName, help };
  } catch (error) {
    report(error instanceof Error ? error.message : String(error));
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

function printTypes(file: string, { ts, go, packageName: named }: Arguments): number {
  if (ts === go) throw new LoadError('types: either --ts or --go is needed');
  if (ts && named !== undefined) throw new LoadError('--package is for --go');
  const packageName = named ?? 'permissions';
  if (!isGoPackageName(packageName)) {
    throw new LoadError(
      `--package: "${packageName}" is no name of a Go package: lower-case letters, digits, underscores`,
    );
  }
  const policy = readPolicy(readText(file), file);
  const names = permissionNames(policy);
  if (names.length === 0) throw new LoadError(`${file}: names no permission; its statements say which there are`);
  for (const pattern of namelessPatterns(policy)) {
    report(`note: "${pattern}" covers no permission that ${file} names; its statements say which there are`);
  }
  process.stdout.write(ts ? typescriptType(names, basename(file)) : goConstants(names, basename(file), packageName));
  return 0;
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
