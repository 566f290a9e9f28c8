/** Cerbos with the same roles and permissions as a resource policy for each resource. */
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { stringify } from 'yaml';
import { parsePolicy } from '../../src/policy/file.ts';
import { pairsOf } from '../../src/policy/grants.ts';
import { freePort } from '../../tools/local-services/index.ts';
import { type PinnedProcess, startPinned } from '../pinned-process.ts';
import { PERMISSION, type Question } from '../questions.ts';

const PROGRAM = fileURLToPath(new URL('../node_modules/@cerbos/cerbos-linux-x64/cerbos-linux-x64', import.meta.url));

/** One rule for each action of each resource, with the roles that may do it: what Assent's policy comes to. */
const writePolicies = async (policyPath: string, folder: string): Promise<void> => {
  const { organizationRoles } = parsePolicy(await readFile(policyPath, 'utf8'), policyPath);
  const byResource = new Map<string, Map<string, string[]>>();
  for (const [role, grants] of organizationRoles) {
    for (const [resource, action] of pairsOf(grants)) {
      const actions = byResource.get(resource) ?? new Map<string, string[]>();
      actions.set(action, [...(actions.get(action) ?? []), role]);
      byResource.set(resource, actions);
    }
  }
  await mkdir(folder, { recursive: true });
  for (const [resource, actions] of byResource) {
    const rules = [...actions].map(([action, roles]) => ({ actions: [action], effect: 'EFFECT_ALLOW', roles }));
    const policy = { apiVersion: 'api.cerbos.dev/v1', resourcePolicy: { version: 'default', resource, rules } };
    await writeFile(join(folder, `${resource}.yaml`), stringify(policy));
  }
};

/**
 * Starts Cerbos on a free port, with its defaults but for telemetry, which is off.
 * @returns null where its package is not installed.
 */
export const startCerbos = async (
  cores: string,
  folder: string,
  policyPath: string,
): Promise<(PinnedProcess & { readonly address: string }) | null> => {
  if (!existsSync(PROGRAM)) return null;
  const policies = join(folder, 'policies');
  await writePolicies(policyPath, policies);
  const address = `127.0.0.1:${await freePort()}`;
  const settings = {
    server: { grpcListenAddr: address, httpListenAddr: `127.0.0.1:${await freePort()}` },
    telemetry: { disabled: true },
    storage: { driver: 'disk', disk: { directory: policies, watchForChanges: false } },
  };
  const config = join(folder, 'cerbos.yaml');
  await writeFile(config, stringify(settings));
  const server = await startPinned({
    name: 'Cerbos',
    cores,
    command: PROGRAM,
    args: ['server', `--config=${config}`],
    env: { CERBOS_NO_TELEMETRY: '1' },
    ready: /Starting HTTP server/,
    cwd: folder,
  });
  return { ...server, address };
};

// The few fields of cerbos.request.v1 and cerbos.response.v1 that are needed, by hand: their generated code would be a
// dependency of the bench for one request.
const message = (write: (writer: BinaryWriter) => void): Uint8Array => {
  const writer = new BinaryWriter();
  write(writer);
  return writer.finish();
};
const bytes = (writer: BinaryWriter, field: number, value: Uint8Array): BinaryWriter =>
  writer.tag(field, WireType.LengthDelimited).bytes(value);
const text = (writer: BinaryWriter, field: number, value: string): BinaryWriter =>
  writer.tag(field, WireType.LengthDelimited).string(value);

/** CheckResourcesRequest: may this principal, with this role, do the action on this resource? */
const request = (userId: string, role: string, resource: string, id: string, action: string): Uint8Array => {
  const principal = message((writer) => text(text(writer, 1, userId), 3, role));
  const resourceMessage = message((writer) => text(text(writer, 1, resource), 3, id));
  const entry = message((writer) => bytes(text(writer, 1, action), 2, resourceMessage));
  return message((writer) => bytes(bytes(text(writer, 1, 'bench'), 3, principal), 4, entry));
};

/** The bytes of a field's last occurrence, or its number for a varint; null when it is absent. */
const field = (data: Uint8Array, wanted: number): Uint8Array | number | null => {
  const reader = new BinaryReader(data);
  let found: Uint8Array | number | null = null;
  while (reader.pos < reader.len) {
    const [number, wireType] = reader.tag();
    if (number !== wanted) reader.skip(wireType, number);
    else found = wireType === WireType.Varint ? reader.int32() : reader.bytes();
  }
  return found;
};

const EFFECT_ALLOW = 1;

/** CheckResourcesResponse: results (2), its actions (2), a map whose value (2) is the effect. */
const isAllowed = (response: Uint8Array): boolean => {
  let found: Uint8Array | number | null = response;
  for (let depth = 0; depth < 3; depth += 1) found = found instanceof Uint8Array ? field(found, 2) : null;
  return found === EFFECT_ALLOW;
};

/** The same question as CheckPermission; the caller has to know the role already. */
export const cerbosQuestion = (subject: {
  readonly userId: string;
  readonly organizationId: string;
  readonly role: string;
}): Question => {
  const [resource = '', action = ''] = PERMISSION.split(':');
  return {
    path: '/cerbos.svc.v1.CerbosService/CheckResources',
    body: request(subject.userId, subject.role, resource, subject.organizationId, action),
    isAnswer: isAllowed,
  };
};
