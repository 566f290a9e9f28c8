/**
 * The process in which somebody's auth.ts is loaded: it may write to stdout, keep connections open or end the process,
 * and none of that reaches the command line. Arguments: the file, and where the report goes.
 */
import { existsSync, writeFileSync } from 'node:fs';
import * as nodeModule from 'node:module';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { AuthError, findInstance } from './instance.ts';
import { type Defaults, readAuth } from './read-auth.ts';
import type { Report } from './report.ts';

const isBun = 'Bun' in globalThis;
const [file = '', reportPath = ''] = process.argv.slice(2);

const report = (value: Report): never => {
  writeFileSync(reportPath, JSON.stringify(value));
  process.exit(0);
};

const ENDINGS = ['.ts', '.mts', '.js', '.mjs', '/index.ts', '/index.js'];

/** Node wants endings in imports, which bundlers and Bun do not: `./db` and `./db.js` may mean `./db.ts`. */
const resolveAsBundlers = (): void => {
  if (isBun || typeof nodeModule.registerHooks !== 'function') return;
  nodeModule.registerHooks({
    resolve: (specifier, context, next) => {
      try {
        return next(specifier, context);
      } catch (error) {
        if (!/^\.{1,2}\//.test(specifier)) throw error;
        for (const candidate of [specifier.replace(/js$/, 'ts'), ...ENDINGS.map((ending) => specifier + ending)]) {
          try {
            return next(candidate, context);
          } catch {
            // The next one, then.
          }
        }
        throw error;
      }
    },
  });
};

const HINTS: Readonly<Record<string, string>> = {
  ERR_MODULE_NOT_FOUND: 'Node does not know the path aliases of tsconfig.json',
  ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX: 'Node only strips types: enums, namespaces and decorators need more',
  ERR_UNKNOWN_FILE_EXTENSION: 'Node does not load this kind of file',
  ERR_UNSUPPORTED_DIR_IMPORT: 'Node does not import folders',
};

const explain = (error: unknown): string => {
  if (!(error instanceof Error)) return `failed while it was loaded: ${String(error)}`;
  const at = error.stack?.split('\n').find((line) => /^\s+at .*\//.test(line));
  const hint = isBun || !('code' in error) ? undefined : HINTS[String(error.code)];
  const lines = [`failed while it was loaded: ${error.name}: ${error.message}`, ...(at === undefined ? [] : [at])];
  if (hint !== undefined) lines.push(`${hint}. Bun does: bunx --bun assent-policy …`);
  return lines.join('\n');
};

const defaultsOf = async (): Promise<Defaults> => {
  const organization = await import('better-auth/plugins/organization/access');
  const admin = await import('better-auth/plugins/admin/access');
  return {
    organization: {
      roles: { owner: organization.ownerAc, admin: organization.adminAc, member: organization.memberAc },
      statements: organization.defaultStatements,
    },
    admin: { roles: { admin: admin.adminAc, user: admin.userAc }, statements: admin.defaultStatements },
  };
};

const load = async (): Promise<Report> => {
  let exports: Readonly<Record<string, unknown>>;
  try {
    exports = await import(pathToFileURL(resolve(file)).href);
  } catch (error) {
    return { problem: explain(error) };
  }
  try {
    return { read: readAuth(findInstance(exports), await defaultsOf()) };
  } catch (error) {
    if (error instanceof AuthError) return { problem: error.message };
    throw error;
  }
};

// Faults of what auth.ts started and did not wait for, such as a connection, are no reason to end: its roles are the same.
const mention = (error: unknown): void => {
  process.stderr.write(`${file}: meanwhile: ${error instanceof Error ? error.message : String(error)}\n`);
};
process.on('unhandledRejection', mention);
process.on('uncaughtException', mention);
if (!isBun && existsSync('.env')) process.loadEnvFile('.env');
resolveAsBundlers();
report(await load().catch((error: unknown) => ({ problem: explain(error) })));
