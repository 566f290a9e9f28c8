import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseCaseFile, runCase } from '../../../src/policy/cases.ts';

const folder = join(import.meta.dirname, '../../cases');

describe.each(readdirSync(folder))('%s', (name) => {
  const file = parseCaseFile(readFileSync(join(folder, name), 'utf8'), name, () => '');
  it.each(file.cases.map((one) => [one.name, one] as const))(
    'the decision is as the file of cases expects: %s',
    (_name, one) => {
      expect(runCase(file, one)).toBeNull();
    },
  );
});

it('a failing case is reported as failed', () => {
  const text = `policy: |
  version: 1
cases:
  - { name: wrong, ask: "a:b", organization: { roles: [x] }, expect: { allowed: true, reason: ROLE_GRANTS } }`;
  const file = parseCaseFile(text, 'wrong.yaml', () => '');
  expect(file.cases.map((one) => runCase(file, one))).toEqual([
    'allowed is false, expected true; reason is "UNKNOWN_PERMISSION", expected "ROLE_GRANTS"',
  ]);
});

it('a case is judged at its own time, or else at that of its file', () => {
  const ban = 'user: { banned: true, banExpires: 2026-06-02T00:00:00Z }';
  const text = `policy: |
  version: 1
  platformRoles: { user: { grants: { a: [b] } } }
now: 2026-06-01T00:00:00Z
cases:
  - { name: before, ask: "a:b", ${ban}, expect: { allowed: false, reason: USER_BANNED } }
  - { name: after, ask: "a:b", ${ban}, now: 2026-06-03T00:00:00Z, expect: { allowed: true } }`;
  const file = parseCaseFile(text, 'moments.yaml', () => '');
  expect(file.cases.map((one) => runCase(file, one))).toEqual([null, null]);
});
