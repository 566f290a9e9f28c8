import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { testFolder } from '../../support/folder.ts';

const { path: folder, file } = testFolder();
const run = (...args: string[]) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['src/cli/policy.ts', ...args], { encoding: 'utf8' });
  return { status, stdout, stderr };
};
const GOOD = 'version: 1\norganizationRoles: { staff: { grants: { data: [read] } } }\n';

describe('npm run policy', () => {
  it('`npm run policy check` accepts a good file', () => {
    const path = file('good.yaml', GOOD);
    expect(run('check', path)).toEqual({
      status: 0,
      stdout: `${path}: ok: 1 organization roles, 0 platform roles, 1 permissions\n`,
      stderr: '',
    });
  });

  it('`npm run policy check` names every problem of every file, with its place', () => {
    const [bad, missing] = [file('bad.yaml', 'version: 1\nx: 1\ny: 2\n'), join(folder, 'missing.yaml')];
    const { status, stdout } = run('check', bad, missing);
    expect(status).toBe(1);
    expect(stdout.trim().split('\n')).toEqual([
      expect.stringContaining(`${bad}:2:1: unknown key "x"`),
      expect.stringContaining(`${bad}:3:1: unknown key "y"`),
      `${missing}: cannot be read (ENOENT)`,
    ]);
  });

  it('`npm run policy test` judges cases by the policy beside them', () => {
    file('policy.yaml', GOOD);
    const cases = (allowed: boolean) => `policy: policy.yaml
cases:
  - { name: staff reads, ask: "data:read", organization: { roles: [staff] }, expect: { allowed: ${allowed} } }
  - { name: staff writes, ask: "data:write", organization: { roles: [staff] }, expect: { allowed: false, reason: UNKNOWN_PERMISSION } }
`;
    const good = file('cases.yaml', cases(true));
    expect(run('test', good)).toMatchObject({ status: 0, stdout: `${good}: 2 passed, 0 failed\n` });
    const bad = file('bad-cases.yaml', cases(false));
    expect(run('test', bad)).toMatchObject({
      status: 1,
      stdout: `${bad}: staff reads: allowed is true, expected false\n${bad}: 1 passed, 1 failed\n`,
    });
  });

  it('`npm run policy` checks and tests the scopes of access tokens', () => {
    const path = file('scopes.yaml', `${GOOD.replace('1', '2')}scopes: { 'data:read': [data:read], openid: [] }\n`);
    expect(run('check', path)).toMatchObject({
      status: 0,
      stdout: `${path}: ok: 1 organization roles, 0 platform roles, 1 permissions, 2 scopes\n`,
    });
    const cases = file(
      'scopes-cases.yaml',
      `policy: scopes.yaml
cases:
  - { name: the user reads, ask: "data:read", organization: { roles: [staff] }, expect: { allowed: true } }
  - name: an application that may read reads
    organization: { roles: [staff] }
    scopes: [openid, data:read]
    ask: data:read
    expect: { allowed: true, reason: ROLE_GRANTS, grantedBy: staff, roles: [staff] }
  - name: an application that may not read does not
    organization: { roles: [staff] }
    scopes: [openid]
    ask: data:read
    expect: { allowed: false, reason: SCOPE_LACKS_PERMISSION, grantedBy: "", roles: [staff] }
  - name: an application has no more than its user
    organization: { roles: [] }
    scopes: [data:read]
    ask: data:read
    expect: { allowed: false, reason: ROLE_LACKS_PERMISSION }
`,
    );
    expect(run('test', cases)).toMatchObject({ status: 0, stdout: `${cases}: 4 passed, 0 failed\n` });
  });

  it('`npm run policy test` names the problems of a file of cases', () => {
    const path = file('nonsense.yaml', 'policy: policy.yaml\ncases:\n  - { name: x, ask: "a:b", expects: {} }\n');
    const { status, stdout } = run('test', path);
    expect(status).toBe(1);
    expect(stdout).toContain(`${path}: cases.0.expect:`);
  });

  it.each([[[]], [['check']], [['frobnicate', 'x']]])('`npm run policy` shows its usage for %j', (args) => {
    expect(run(...args)).toMatchObject({ status: 2, stdout: '', stderr: expect.stringContaining('usage:') });
  });
});
