/** `assent-policy types`: its output compiles, and a misspelt permission does not. */
import { execFileSync } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { run as runProgram } from '../../../tools/run.ts';
import { createFolder } from '../../support/better-auth/cli.ts';

const TSC = join(import.meta.dirname, '../../../node_modules/typescript/bin/tsc');
/** Names that are no identifiers, that become the same identifier, and that hide characters. */
const ODD: readonly (readonly [resource: string, action: string])[] = [
  ['leave', 'approve'],
  ['a-b', 'c'],
  ['a_b', 'c'],
  ['a.b', 'c'],
  ['p2fa', 'reset'],
  ['2fa', 'reset'],
  ['func', 'type'],
  ['résumé', 'lesen'],
  ['假', '批'],
  ['!', '?'],
  ["o'brien", 'say "hi" \\ `x` ${ */ //'],
  ['\u202Eright', 'to\u2028left\u{E0001}'],
];

const { path, run, write } = await createFolder();
await write({
  'policy.yaml': `version: 1
statements: { leave: [approve, create] }
organizationRoles: { member: { grants: { leave: [approve], document: [read], data: ["*"] } } }
`,
  'odd.yaml': `version: 1\nstatements:\n${ODD.map(([resource, action]) => `  ${JSON.stringify(resource)}: [${JSON.stringify(action)}]\n`).join('')}`,
  'empty.yaml': 'version: 1\norganizationRoles: { member: { grants: { data: ["*"] } } }\n',
  'broken.yaml': 'version: 3\n',
});

it('assent-policy types --ts prints the names of statements and roles, and notes a pattern that covers none', async () => {
  expect(await run(['types', 'policy.yaml', '--ts'])).toEqual({
    code: 0,
    stdout: `// Generated from policy.yaml by assent-policy types: change that, and generate again.

/** A permission that policy.yaml knows. */
export type Permission =
  | 'document:read'
  | 'leave:approve'
  | 'leave:create';
`,
    stderr:
      'assent-policy: note: "data:*" covers no permission that policy.yaml names; its statements say which there are\n',
  });
});

it('TypeScript takes a permission of the generated type, whatever its characters, and refuses a misspelt one', async () => {
  const names = ODD.map((pair) => pair.join(':'));
  await write({
    'permissions.ts': (await run(['types', 'odd.yaml', '--ts'])).stdout,
    'right.ts': `import type { Permission } from "./permissions.ts";
export const all: Record<Permission, true> = {${names.map((name) => `${JSON.stringify(name)}: true`).join(', ')}};
`,
    'wrong.ts': `import type { Permission } from "./permissions.ts";\nexport const one: Permission = 'leave:aprove';\n`,
  });
  const compile = (file: string) =>
    runProgram(
      process.execPath,
      [TSC, '--noEmit', '--strict', '--ignoreConfig', '--allowImportingTsExtensions', file],
      { cwd: path },
    );
  await compile('right.ts');
  await expect(compile('wrong.ts')).rejects.toMatchObject({
    stdout: expect.stringMatching(/wrong\.ts.*'"leave:aprove"' is not assignable to type 'Permission'/),
  });
});

const hasGo = works('go', 'version');
if (!hasGo) process.stderr.write('not run: constants of Go are not compiled, since go is not there\n');

describe.runIf(hasGo)('Go', () => {
  it('Go takes each generated constant as its permission, and refuses a misspelt one', {
    timeout: 60_000,
  }, async () => {
    const module = join(path, 'module');
    for (const name of ['permissions', 'right', 'wrong']) await mkdir(join(module, name), { recursive: true });
    const generated = join(module, 'permissions/permissions.go');
    await writeFile(generated, (await run(['types', 'odd.yaml', '--go'])).stdout);
    await writeFile(join(module, 'go.mod'), 'module example.com/orders\n\ngo 1.21\n');
    const constants = [...(await readFile(generated, 'utf8')).matchAll(/^\t(\S+)\s+= /gm)].map(([, name]) => name);
    expect(constants).toHaveLength(ODD.length);
    const use = (names: readonly (string | undefined)[]) => `package main

import (
	"encoding/json"
	"os"

	"example.com/orders/permissions"
)

type permission string

func main() {
	_ = json.NewEncoder(os.Stdout).Encode([]permission{${names.map((name) => `permissions.${name}`).join(', ')}})
}
`;
    await writeFile(join(module, 'right/main.go'), use(constants));
    await writeFile(join(module, 'wrong/main.go'), use(['LeaveAprove']));
    const go = (...args: readonly string[]) => runProgram('go', args, { cwd: module });
    await go('vet', './permissions', './right');
    expect((await runProgram('gofmt', ['-l', generated])).stdout).toBe('');
    const printed = JSON.parse((await go('run', './right')).stdout) as readonly string[];
    expect(printed.toSorted()).toEqual(ODD.map((pair) => pair.join(':')).toSorted());
    await expect(go('vet', './wrong')).rejects.toMatchObject({
      stderr: expect.stringContaining('undefined: permissions.LeaveAprove'),
    });
  });
});

it('characters that hide what a name is are escaped in generated code', async () => {
  for (const language of ['--ts', '--go']) {
    const { stdout } = await run(['types', 'odd.yaml', language]);
    expect(stdout).not.toMatch(/[\p{Cf}\p{Zl}\p{Zp}]/u);
  }
});

it('permissions whose constants would have one name are written out, so that none takes the name of another', async () => {
  const { stdout } = await run(['types', 'odd.yaml', '--go', '--package', 'may']);
  expect(stdout).toContain('\npackage may\n');
  for (const line of [
    'LeaveApprove = "leave:approve"',
    'P_a_2d_b_3a_c = "a-b:c"',
    'P_a_5f_b_3a_c = "a_b:c"',
    'P_2fa_3a_reset = "2fa:reset"',
    'P_p2fa_3a_reset = "p2fa:reset"',
    'FuncType = "func:type"',
  ]) {
    expect(stdout.replaceAll(/ +=/g, ' =')).toContain(`\t${line}\n`);
  }
});

it.each([
  [['types', 'policy.yaml'], 'assent-policy: types: either --ts or --go is needed\n'],
  [['types', 'policy.yaml', '--ts', '--go'], 'assent-policy: types: either --ts or --go is needed\n'],
  [
    ['types', 'policy.yaml', '--go', '--package', 'func'],
    'assent-policy: --package: "func" is no name of a Go package',
  ],
  [['types', 'policy.yaml', '--go', '--package', 'A-b'], 'assent-policy: --package: "A-b" is no name of a Go package'],
  [['types', 'policy.yaml', '--ts', '--package', 'may'], 'assent-policy: --package is for --go\n'],
  [['types', 'policy.yaml', '--rust'], "assent-policy: Unknown option '--rust'"],
  [
    ['types', 'empty.yaml', '--ts'],
    'assent-policy: empty.yaml: names no permission; its statements say which there are\n',
  ],
  [['types', 'broken.yaml', '--ts'], 'assent-policy: broken.yaml:1:10: version must be 1 or 2\n'],
  [['types', 'absent.yaml', '--ts'], 'assent-policy: absent.yaml: no such file\n'],
  [['types'], 'usage: assent-policy export'],
])('assent-policy exits with 2 for the arguments %j, and says why', async (args, message) => {
  const { code, stdout, stderr } = await run(args);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toContain(message);
});

function works(...[file = '', ...args]: readonly string[]): boolean {
  try {
    execFileSync(file, args, { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
