/** Cedar in WebAssembly: policies parsed beforehand; who asks, with their role, comes with the call, as it has to. */
import { importPeer } from '../install.ts';
import { readGrants } from './grants.ts';
import type { CreateSubject } from './subject.ts';

interface Cedar {
  preparsePolicySet(id: string, policies: { readonly staticPolicies: string }): { readonly type: string };
  statefulIsAuthorized(call: object): { readonly type: string; readonly response?: { readonly decision: string } };
}

const SET = 'bench';

export const createSubject: CreateSubject = async ({ policyPath, userId, organizationId, role }) => {
  const cedar = (await importPeer('@cedar-policy/cedar-wasm/nodejs')) as Cedar | null;
  if (cedar === null) return null;
  const actions = new Map<string, string[]>();
  for (const grant of await readGrants(policyPath)) {
    actions.set(grant.role, [...(actions.get(grant.role) ?? []), `Action::"${grant.resource}:${grant.action}"`]);
  }
  const staticPolicies = [...actions]
    .map(([name, allowed]) => `permit(principal in Role::"${name}", action in [${allowed.join(', ')}], resource);`)
    .join('\n');
  if (cedar.preparsePolicySet(SET, { staticPolicies }).type !== 'success')
    throw new Error('Cedar refused the policies');
  return {
    run: () => {
      const principal = { type: 'User', id: userId };
      const answer = cedar.statefulIsAuthorized({
        principal,
        action: { type: 'Action', id: 'data:read' },
        resource: { type: 'Organization', id: organizationId },
        context: {},
        preparsedPolicySetId: SET,
        entities: [{ uid: principal, attrs: {}, parents: [{ type: 'Role', id: role }] }],
      });
      return answer.response?.decision === 'allow';
    },
  };
};
