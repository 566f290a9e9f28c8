/** casbin: roles within domains, all rules and memberships in memory, its synchronous and hence fastest call. */
import { importPeer } from '../install.ts';
import { readGrants } from './grants.ts';
import type { CreateSubject } from './subject.ts';

interface Enforcer {
  enforceSync(...request: readonly string[]): boolean;
  addPolicies(rules: readonly (readonly string[])[]): Promise<boolean>;
  addGroupingPolicies(rules: readonly (readonly string[])[]): Promise<boolean>;
}
interface Casbin {
  newEnforcer(model: unknown): Promise<Enforcer>;
  newModelFromString(text: string): unknown;
}

const MODEL = `
[request_definition]
r = sub, dom, obj, act
[policy_definition]
p = sub, obj, act
[role_definition]
g = _, _, _
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = r.obj == p.obj && r.act == p.act && g(r.sub, p.sub, r.dom)
`;

export const createSubject: CreateSubject = async ({ policyPath, userId, organizationId, role, others }) => {
  const casbin = (await importPeer('casbin')) as Casbin | null;
  if (casbin === null) return null;
  const enforcer = await casbin.newEnforcer(casbin.newModelFromString(MODEL));
  const grants = await readGrants(policyPath);
  await enforcer.addPolicies(grants.map((grant) => [grant.role, grant.resource, grant.action]));
  const memberships = [...others, { userId, organizationId, role }];
  const rules = new Map(memberships.map((each) => [`${each.userId} ${each.organizationId}`, each]));
  await enforcer.addGroupingPolicies([...rules.values()].map((each) => [each.userId, each.role, each.organizationId]));
  return { run: () => enforcer.enforceSync(userId, organizationId, 'data', 'read') };
};
