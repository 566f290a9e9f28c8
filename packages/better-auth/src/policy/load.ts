/**
 * The process that loads an auth.ts: the file may write to stdout, keep connections open or end the process, without an effect
 * on the command line. Arguments: the file, the path of the report, and the name of the export, if any.
 */
import { existsSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { importAsBundlers, JSX } from './bundler-imports.ts';
import { AuthError, findInstance } from './instance.ts';
import type { Report } from './load-auth.ts';
import { type Defaults, readAuth } from './read-auth.ts';

const BUN_DOES = 'Bun does: bunx --bun assent-policy …';
const OTHER_FILE = 'Call betterAuth() in a file that imports neither it nor what imports it, and export that file';

const HINTS: Readonly<Record<string, string>> = {
  ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX: `This Node only strips types: enums, namespaces and decorators need more. ${BUN_DOES}`,
  [JSX]: `Node does not know JSX. ${BUN_DOES}`,
  ERR_UNKNOWN_FILE_EXTENSION: `Node does not load this kind of file. ${BUN_DOES}`,
  ERR_UNSUPPORTED_DIR_IMPORT: `Node does not import folders. ${BUN_DOES}`,
  ERR_MODULE_NOT_FOUND:
    'It is no package that is installed, no file, and no path alias of the tsconfig.json files above the file that imports it',
};

/** The name of a module that only a bundler makes, in the message of a failed import. */
const BUNDLER_MODULE =
  /['"](?:(?:virtual|astro|bun|cloudflare|node-[\w-]+|#[\w-]+)[:/][^'"]*|#(?:imports|app|build))['"]|Received protocol '/;
const MISSING_VARIABLE =
  /environment variable|\benv(?:ironment)?\b.*\b(?:invalid|missing|required)|\b(?:invalid|missing|required)\b.*\benv/i;

const isBun = 'Bun' in globalThis;
const [file = '', reportPath = '', exportName] = process.argv.slice(2);
const path = resolve(file);

// A failed connection that the file began and does not wait for is no reason to end: the roles are the same.
process.on('unhandledRejection', mention);
process.on('uncaughtException', mention);
loadVariables();
importAsBundlers(path);
const report: Report = await load().catch((error: unknown) => ({ problem: explain(error) }));
writeFileSync(reportPath, JSON.stringify(report));
process.exit(0);

async function load(): Promise<Report> {
  let exports: Readonly<Record<string, unknown>>;
  try {
    exports = await import(pathToFileURL(path).href);
  } catch (error) {
    return { problem: explain(error) };
  }
  try {
    return { read: readAuth(await findInstance(exports, exportName), await readDefaults()) };
  } catch (error) {
    if (error instanceof AuthError) return { problem: error.message };
    throw error;
  }
}

async function readDefaults(): Promise<Defaults> {
  const organization = await import('better-auth/plugins/organization/access');
  const admin = await import('better-auth/plugins/admin/access');
  return {
    organization: {
      roles: { owner: organization.ownerAc, admin: organization.adminAc, member: organization.memberAc },
      statements: organization.defaultStatements,
    },
    admin: { roles: { admin: admin.adminAc, user: admin.userAc }, statements: admin.defaultStatements },
  };
}

/** Loads the .env files. The first file that names a variable decides, and a variable that is set stays as it is. */
function loadVariables(): void {
  // Bun has read the files of the folder that it runs in.
  if (typeof process.loadEnvFile !== 'function') return;
  for (const folder of new Set([...(isBun ? [] : [process.cwd()]), packageFolder()])) {
    for (const name of ['.env.local', '.env']) {
      if (existsSync(join(folder, name))) process.loadEnvFile(join(folder, name));
    }
  }
}

/** The folder of the package that the file belongs to: in a monorepo, not the one that the command runs in. */
function packageFolder(): string {
  for (let folder = dirname(path); folder !== dirname(folder); folder = dirname(folder)) {
    if (existsSync(join(folder, 'package.json'))) return folder;
  }
  return dirname(path);
}

function mention(error: unknown): void {
  process.stderr.write(`${file}: meanwhile: ${error instanceof Error ? error.message : String(error)}\n`);
}

/** An error for people: its message, its place, and what to do about it. */
function explain(error: unknown): string {
  if (!(error instanceof Error)) return `failed while it was loaded: ${String(error)}`;
  const at = error.stack?.split('\n').find((line) => /^\s+at .*\//.test(line));
  const lines = [`failed while it was loaded: ${error.name}: ${error.message}`, ...(at === undefined ? [] : [at])];
  const hint = hintFor(error);
  if (hint !== null) lines.push(`${hint}.`);
  return lines.join('\n');
}

/** What to do about an error; null when that is not known. */
function hintFor(error: Error & { readonly code?: unknown }): string | null {
  const { message } = error;
  if (/['"](?:bun:|bun['"])|protocol 'bun:'/.test(message)) return `The module is Bun's own. ${BUN_DOES}`;
  if (BUNDLER_MODULE.test(message)) {
    return `The module is made by the bundler of a framework, and is nowhere else. ${OTHER_FILE}`;
  }
  if (MISSING_VARIABLE.test(message)) {
    return (
      'The file wants variables: set them, in .env or before the command. Any value does for one that no role depends on. ' +
      'Validation by t3-env is left out with SKIP_ENV_VALIDATION=1'
    );
  }
  if (isBun) return null;
  if (error instanceof SyntaxError && message === 'Invalid or unexpected token') {
    return `Node does not know decorators, where it is one that it met. ${BUN_DOES}`;
  }
  return HINTS[String(error.code)] ?? null;
}
