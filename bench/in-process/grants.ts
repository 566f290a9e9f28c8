/** Assent's policy as the peers need it: which roles may do what. */
import { readFile } from 'node:fs/promises';
import { parsePolicy } from '../../src/policy/file.ts';
import { pairsOf } from '../../src/policy/grants.ts';

export interface Grant {
  readonly role: string;
  readonly resource: string;
  readonly action: string;
}

/** Every permission of every role of organizations, parents included. */
export const readGrants = async (policyPath: string): Promise<readonly Grant[]> => {
  const { organizationRoles } = parsePolicy(await readFile(policyPath, 'utf8'), policyPath);
  return [...organizationRoles].flatMap(([role, grants]) =>
    [...pairsOf(grants)].map(([resource, action]) => ({ role, resource, action })),
  );
};
