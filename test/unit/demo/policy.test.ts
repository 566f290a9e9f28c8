/** The demo's policy file says to Assent what the demo's application says to Better Auth. */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { comparePolicies, readPolicy } from '@assent/policy-format';
import { expect, it } from 'vitest';
import { organizationAccess, organizationRoles } from '../../../demo/application/access.ts';
import { loadAuth } from '../../../packages/better-auth/src/policy/load-auth.ts';
import { decide } from '../../../src/policy/decide.ts';
import { parsePolicy } from '../../../src/policy/file.ts';

const text = await readFile(new URL('../../../demo/policy.yaml', import.meta.url), 'utf8');
const policy = parsePolicy(text, 'policy.yaml');
const pairs = Object.entries(organizationAccess.statements).flatMap(([resource, actions]) =>
  actions.map((action) => [resource, action] as const),
);

it('the policy of the demo agrees with its auth.ts: `assent-policy diff demo/policy.yaml demo/application/auth.ts`', async () => {
  const { policy: live } = await loadAuth(fileURLToPath(new URL('../../../demo/application/auth.ts', import.meta.url)));
  expect(comparePolicies(readPolicy(text, 'policy.yaml'), live)).toEqual([]);
});

it.each(Object.entries(organizationRoles))(
  'a role of the demo grants the same in Better Auth and in Assent: %s',
  (role, better) => {
    expect(pairs.length).toBeGreaterThan(15);
    for (const [resource, action] of pairs) {
      const facts = {
        user: { roles: ['user'], ban: null },
        organization: { status: 'present', memberRoles: [role], dynamicRoles: [] },
      } as const;
      const { allowed } = decide(policy, facts, { userId: 'u', scopes: null, resource, action }, 0);
      const statements: Readonly<Record<string, readonly string[] | undefined>> = better.statements;
      expect(allowed, `${resource}:${action}`).toBe(statements[resource]?.includes(action) === true);
    }
  },
);
