/** `assent-policy export` on auth.ts files as public repositories have them, each in a folder outside of this one. */
import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parsePolicy } from '../../../src/policy/file.ts';
import { BUN, createFolder } from '../../support/better-auth/cli.ts';

const folder = await createFolder('bundled');
const { run, write } = folder;

/** An instance whose organization role is called as the text of `role` says. */
const instance = (role: string, exported = 'export const auth =', plugins = ''): string => `
import { betterAuth } from 'better-auth';
import { admin, organization } from 'better-auth/plugins';
import { createAccessControl } from 'better-auth/plugins/access';
const access = createAccessControl({ data: ['read'] } as const);
const role = ${role};
${exported} betterAuth({
  secret: 'a-secret-of-the-tests-that-is-long-enough',
  baseURL: 'http://localhost:3000',
  plugins: [organization({ ac: access, roles: { [role]: access.newRole({ data: ['read'] }) } })${plugins}],
});
`;
const JSX_OF_NOBODY = `/** @jsxRuntime classic */\n/** @jsx create */\nconst create = () => null;\n`;

interface Case {
  readonly what: string;
  readonly files: Readonly<Record<string, string>>;
  /** What comes after `export`; `auth.ts` where it is left out. */
  readonly args?: readonly string[];
  readonly variables?: Readonly<Record<string, string>>;
  /** The one organization role of the policy. */
  readonly role: string;
  /** Under Bun as well, which loads these in other ways. */
  readonly bun?: true;
}

const works: readonly Case[] = [
  {
    what: 'server-only and client-only',
    files: { 'auth.ts': `import 'server-only';\nimport 'client-only';${instance("'plain'")}` },
    role: 'plain',
    bun: true,
  },
  {
    what: "Next's modules, by name, by another name and by default",
    files: {
      'auth.ts': `import { cookies as jar, type UnsafeUnwrappedHeaders,
  headers } from 'next/headers';
import Link from "next/link";
import * as cache from 'next/cache';
export const use = () => [jar(), headers(), Link, cache];
${instance('[typeof jar, typeof headers, typeof Link].join()')}`.replaceAll('.join()', ".join('-')"),
    },
    role: 'function-function-function',
    bun: true,
  },
  {
    what: 'JSON by default, by name and with an attribute',
    files: {
      'app.json': '{ "name": "shop", "roles": ["editor"], "not-a-name": 1 }',
      'auth.ts': `import app from './app.json';
import { name } from './app.json';
import again from './app.json' with { type: 'json' };
${instance("name + '-' + app.roles[0] + '-' + again.name")}`,
    },
    role: 'shop-editor-shop',
    bun: true,
  },
  {
    what: 'import.meta.env',
    files: { 'auth.ts': instance("[import.meta.env.VITE_ROLE, import.meta.env.MODE].join('-')") },
    variables: { VITE_ROLE: 'of-vite', MODE: 'test' },
    role: 'of-vite-test',
    bun: true,
  },
  {
    what: 'cloudflare:workers',
    files: {
      'auth.ts': `import { DurableObject, env } from 'cloudflare:workers';
export class Room extends DurableObject {}
${instance('env.ROLE')}`,
    },
    variables: { ROLE: 'of-workers' },
    role: 'of-workers',
    bun: true,
  },
  {
    what: 'the modules of SvelteKit',
    files: {
      'package.json': '{ "type": "module" }',
      'src/lib/roles.ts': `export const end = 'kit';`,
      'auth.ts': `import { ROLE, NOT_SET } from '$env/static/private';
import { env } from '$env/dynamic/private';
import { building } from '$app/environment';
import { getRequestEvent } from '$app/server';
import { end } from '$lib/roles';
export const event = () => getRequestEvent();
${instance("[ROLE, env.ROLE, String(building), String(NOT_SET), end].join('-')")}`,
    },
    variables: { ROLE: 'r' },
    role: 'r-r-false-undefined-kit',
  },
  {
    what: 'the variables of SvelteKit and Astro',
    files: {
      'auth.ts': `import { ROLE, getSecret } from 'astro:env/server';
import { ROLE as same } from '$env/static/private';
${instance("[ROLE, getSecret('ROLE'), same].join('-')")}`,
    },
    variables: { ROLE: 'r' },
    role: 'r-r-r',
    bun: true,
  },
  {
    what: 'a .tsx file, and components with JSX that it imports',
    files: {
      'mail.tsx': `${JSX_OF_NOBODY}export const Mail = ({ url }: { url: string }) => <a href={url}>go</a>;
export default function Other() { return <b />; }
const Third = () => <i />;
export { Third as Named };`,
      'auth.tsx': `import Other, { Mail, Named } from './mail';
export const mails = () => [Mail, Other, Named];
${instance("'of-tsx' as string")}`,
    },
    args: ['auth.tsx'],
    role: 'of-tsx',
    bun: true,
  },
  {
    what: 'style sheets, pictures and texts',
    files: {
      'mail.css': 'a { color: red }',
      'logo.svg': '<svg/>',
      'roles.txt': 'of-text',
      'auth.ts': `import './mail.css';
import logo from './logo.svg';
import text from './roles.txt?raw';
export const use = () => logo;
${instance('text')}`,
    },
    role: 'of-text',
  },
  {
    what: 'path aliases of a tsconfig.json with comments, a pattern and a base',
    files: {
      'tsconfig.json': `{
  // As editors write it.
  "compilerOptions": {
    "baseUrl": ".", /* of what follows */
    "paths": { "@/*": ["./nowhere/*", "./src/*"], "config": ["./src/config.ts"], },
  },
}`,
      'src/config.ts': `import { end } from 'src/end';\nexport const config = 'config' + end;`,
      'src/end.ts': `export const end = '-end';`,
      'src/roles/index.ts': `export const role = 'aliased';`,
      'auth.ts': `import { role as first } from '@/roles';
import { config } from 'config';
${instance("first + '-' + config")}`,
    },
    role: 'aliased-config-end',
    bun: true,
  },
  {
    what: 'path aliases of a project that only refers to others',
    files: {
      'tsconfig.json': '{ "files": [], "references": [{ "path": "./tsconfig.app.json" }] }',
      'tsconfig.app.json': '{ "compilerOptions": { "paths": { "~/*": ["./app/*"] } } }',
      'app/role.ts': `export const name = 'referred';`,
      'auth.ts': `import { name } from '~/role.js';\n${instance('name')}`,
    },
    role: 'referred',
  },
  {
    what: 'an application in a monorepo: aliases that it inherits, variables of the folder, a package of the workspace',
    files: {
      'tools/base.json': `{ "compilerOptions": { "paths": { "#/*": ["\${configDir}/src/*"] } } }`,
      'apps/web/package.json': '{ "type": "module" }',
      'apps/web/tsconfig.json': '{ "extends": ["../../tools/base.json"] }',
      'apps/web/.env.local': 'ROLE=local\n',
      'apps/web/.env': 'ROLE=not-this\nOTHER=other\n',
      'apps/web/src/end.ts': `export const end = process.env['OTHER'];`,
      'apps/web/src/auth.ts': `import { end } from '#/end';
import { middle } from '@repo/roles';
${instance("[process.env['ROLE'], middle, end].join('-')")}`,
      'packages/roles/package.json': '{ "name": "@repo/roles", "exports": "./src/index.ts" }',
      'packages/roles/src/index.ts': `export * from './middle';`,
      'packages/roles/src/middle.ts': `export const middle = 'middle';`,
    },
    args: ['apps/web/src/auth.ts'],
    role: 'local-middle-other',
  },
  {
    what: 'a .mts file',
    files: { 'auth.mts': instance("'of-mts'") },
    args: ['auth.mts'],
    role: 'of-mts',
  },
  {
    what: 'CommonJS',
    files: {
      'auth.cjs': `const { betterAuth } = require('better-auth');
const { organization } = require('better-auth/plugins');
const { createAccessControl } = require('better-auth/plugins/access');
const { name } = require('./app.json');
const access = createAccessControl({ data: ['read'] });
exports.auth = betterAuth({
  baseURL: 'http://localhost:3000',
  plugins: [organization({ ac: access, roles: { [name]: access.newRole({ data: ['read'] }) } })],
});`,
      'app.json': '{ "name": "of-cjs" }',
    },
    args: ['auth.cjs'],
    role: 'of-cjs',
    bun: true,
  },
  {
    what: 'a .cts file',
    files: {
      'auth.cts': `const { betterAuth } = require('better-auth');
const { organization } = require('better-auth/plugins');
const { createAccessControl } = require('better-auth/plugins/access');
const access = createAccessControl({ data: ['read'] });
const name: string = 'of-cts';
module.exports = betterAuth({
  baseURL: 'http://localhost:3000',
  plugins: [organization({ ac: access, roles: { [name]: access.newRole({ data: ['read'] }) } })],
});`,
    },
    args: ['auth.cts'],
    role: 'of-cts',
  },
  {
    what: 'imports in a package that says it is CommonJS, as a compiler makes it',
    files: {
      'old/package.json': '{ "type": "commonjs" }',
      'old/roles.ts': `export const name: string = 'compiled';`,
      'old/auth.ts': `import { name } from './roles';\n${instance('name')}`,
    },
    args: ['old/auth.ts'],
    role: 'compiled',
  },
  {
    what: 'enums and parameter properties',
    files: {
      'auth.ts': `enum Role { First = 'of-enum' }\nclass A { constructor(readonly a: Role) {} }\n${instance('new A(Role.First).a')}`,
    },
    role: 'of-enum',
    bun: true,
  },
  {
    what: 'an instance that is the only one, whatever it is called',
    files: { 'auth.ts': instance("'only'", 'export const serverAuth =') },
    role: 'only',
    bun: true,
  },
  {
    what: 'one of several instances by --export',
    files: {
      'auth.ts': `${instance("'first'", 'export const first =')}export const second = betterAuth({ baseURL: 'http://localhost' });`,
    },
    args: ['auth.ts', '--export', 'first'],
    role: 'first',
    bun: true,
  },
  {
    what: 'what a function makes, by --export',
    files: {
      'auth.ts': instance("'made'", 'export const createAuth = async (env: { ROLE: string }) =>').replace(
        'roles: { [role]',
        'roles: { [env.ROLE]',
      ),
    },
    args: ['--export=createAuth', 'auth.ts'],
    variables: { ROLE: 'of-env' },
    role: 'of-env',
    bun: true,
  },
  {
    what: 'a promise of an instance',
    files: {
      'auth.ts': instance("'awaited'", 'export const auth = Promise.resolve().then(() =>').replace(
        /\}\);\n$/,
        '}));\n',
      ),
    },
    role: 'awaited',
  },
];

describe.each([
  ['Node', process.execPath, works],
  ['Bun', BUN, works.filter(({ bun }) => bun === true)],
] as const)('assent-policy under %s', (runtime, program, cases) => {
  it.each(cases)(
    'assent-policy exports the roles of an auth.ts with $what',
    async ({ what, files, args = ['auth.ts'], variables, role }) => {
      const name = `${runtime}-${works.findIndex((one) => one.what === what)}`;
      await write(Object.fromEntries(Object.entries(files).map(([path, text]) => [join(name, path), text])));
      if (what.includes('monorepo')) {
        await mkdir(join(folder.path, name, 'apps/web/node_modules/@repo'), { recursive: true });
        await symlink('../../../../packages/roles', join(folder.path, name, 'apps/web/node_modules/@repo/roles'));
      }
      const { code, stdout, stderr } = await run(['export', ...args], program, variables, name);
      expect({ code, stderr: code === 0 ? stderr : stderr.split('\n') }).toEqual({ code: 0, stderr: '' });
      expect([...parsePolicy(stdout, 'policy.yaml').organizationRoles.keys()]).toEqual([role]);
    },
  );

  it('assent-policy exports the roles of a file with JSX under Bun, and names Bun under Node', async () => {
    await write({ 'jsx/auth.tsx': `${JSX_OF_NOBODY}export const mail = () => <a>go</a>;\n${instance("'of-jsx'")}` });
    const { code, stdout, stderr } = await run(['export', 'jsx/auth.tsx'], program);
    if (runtime === 'Bun') expect(stdout).toContain('of-jsx');
    else
      expect({ code, stderr }).toEqual({
        code: 2,
        stderr: expect.stringMatching(/does not know JSX.*bunx --bun assent-policy/),
      });
  });
});

interface Refusal {
  readonly what: string;
  readonly file: string;
  readonly args?: readonly string[];
  readonly message: RegExp;
}

const TWO = `${instance("'a'", 'export const first =')}export const second = betterAuth({ baseURL: 'http://localhost' });`;
const FACTORY = instance("'a'", 'export const createAuth = (env: { A: { B: string } }) => env.A.B &&');

const refusals: readonly Refusal[] = [
  {
    what: 'several instances',
    file: TWO,
    message: /several instances of Better Auth \(first, second\): say which, by --export NAME/,
  },
  {
    what: 'an export that is not there',
    file: TWO,
    args: ['--export', 'third'],
    message: /has no export "third"; its exports are first \(object\), second/,
  },
  {
    what: 'an export that is something else',
    file: `export const x = 1;`,
    args: ['--export', 'x'],
    message: /exports as "x" no instance of Better Auth/,
  },
  {
    what: 'a function alone',
    file: FACTORY,
    message:
      /no instance of Better Auth; its exports are createAuth \(function\).*--export createAuth calls it with process\.env/,
  },
  {
    what: 'a function that fails',
    file: FACTORY,
    args: ['--export', 'createAuth'],
    message: /createAuth\(process\.env\) failed: .*undefined/,
  },
  {
    what: 'a function that makes something else',
    file: 'export const f = () => 1;',
    args: ['--export', 'f'],
    message: /f\(process\.env\) made no instance/,
  },
  {
    what: 'validation of variables',
    file: `throw new Error('Invalid environment variables');`,
    message: /wants variables: set them.*SKIP_ENV_VALIDATION=1/,
  },
  {
    what: 'a module of a bundler',
    file: `import x from 'virtual:x';\nexport const auth = x;`,
    message: /made by the bundler of a framework.*Call betterAuth\(\) in a file/,
  },
  {
    what: 'a module of Nuxt',
    file: `import { useRuntimeConfig } from '#imports';\nexport const auth = useRuntimeConfig();`,
    message: /made by the bundler of a framework/,
  },
  {
    what: "a module of Bun's own",
    file: `import { Database } from 'bun:sqlite';\nexport const auth = new Database();`,
    message: /Bun's own.*bunx --bun assent-policy/,
  },
  {
    what: 'a package that is not installed',
    file: `import x from 'a-package-that-is-nowhere';\nexport const auth = x;`,
    message: /Cannot find package 'a-package-that-is-nowhere'(.|\n)*no package that is installed/,
  },
  {
    what: 'decorators',
    file: `const d = (x: unknown) => x as never;\n@d\nexport class A {}\n`,
    message: /bunx --bun assent-policy/,
  },
  {
    what: 'JSON that is broken',
    file: `import x from './broken.json';\nexport const auth = x;`,
    message: /broken\.json: /,
  },
];

it.each(refusals)('assent-policy explains the remedy for $what', async ({ what, file, args = [], message }) => {
  const name = `refusal-${refusals.findIndex((one) => one.what === what)}`;
  await write({ [`${name}/auth.ts`]: file, [`${name}/broken.json`]: '{' });
  const { code, stdout, stderr } = await run(['export', 'auth.ts', ...args], process.execPath, {}, name);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toMatch(message);
});

it('assent-policy explains the remedy for modules of a bundler under Bun as well', async () => {
  await write({ 'virtual/auth.ts': `import x from 'virtual:x';\nexport const auth = x;` });
  expect((await run(['export', 'virtual/auth.ts'], BUN)).stderr).toMatch(/made by the bundler of a framework/);
});

describe('an application with the admin plugin alone', () => {
  it('an application with the admin plugin alone has a policy of platform roles, without an administrator whose variable is not set', async () => {
    const file = `
import { betterAuth } from 'better-auth';
import { admin } from 'better-auth/plugins';
export const auth = betterAuth({
  baseURL: 'http://localhost:3000',
  plugins: [admin({ adminUserIds: [process.env['NOT_SET']!, 'u1', ...(process.env['NOT_SET'] ?? '').split(',')] })],
});`;
    await write({ 'admin/auth.ts': file });
    const { code, stdout, stderr } = await run(['export', 'admin/auth.ts']);
    expect(code, stderr).toBe(0);
    const policy = parsePolicy(stdout, 'policy.yaml');
    expect([...policy.platformRoles.keys()]).toEqual(['admin', 'user']);
    expect([...policy.organizationRoles.keys()]).toEqual([]);
    expect([...policy.adminUserIds]).toEqual(['u1']);
    expect(stdout).not.toContain('organizationRole=off');
    expect(stderr).toMatch(/note: there is no organization plugin: the policy has roles of the platform only/);
    expect(stderr).toMatch(/note: left out: item 1 of adminUserIds, which is undefined/);
    expect(stderr).toMatch(/note: left out: item 3 of adminUserIds, which is empty/);
    await write({ 'admin/policy.yaml': stdout });
    expect(await run(['diff', 'admin/policy.yaml', 'admin/auth.ts'])).toMatchObject({ code: 0, stdout: '' });
  });
});

it('the load of an auth.ts leaves no file behind', async () => {
  expect(await folder.leftOver()).toEqual([]);
});
