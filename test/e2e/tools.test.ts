/** `buf curl`, as the README has it: lists by reflection, calls every rpc, and reads the details of errors. */
import { join } from 'node:path';
import { fromBinary, type JsonObject, toJson } from '@bufbuild/protobuf';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { file_google_rpc_error_details } from '../../gen/google/rpc/error_details_pb.ts';
import { type ServingAssent, startAssent } from '../../tools/assent/assent-process.ts';
import { leastPrivilegeUrl } from '../../tools/assent/least-privilege.ts';
import { run } from '../../tools/run.ts';
import { testDatabase } from '../support/database.ts';
import type { MethodName } from '../support/protocol-clients/client.ts';
import { createSeed } from '../support/seed.ts';
import { settingsFor } from '../support/settings.ts';
import { applicationTemplate } from '../support/template.ts';

const database = await testDatabase(await applicationTemplate('plural'));
const pool = new pg.Pool({ connectionString: database.url });
const seed = createSeed(pool);
const [userId, organizationId] = [await seed.user(), await seed.organization({ slug: 'acme' })];
await seed.member(userId, organizationId, 'owner');
await pool.end();

let assent: ServingAssent;
beforeAll(async () => {
  assent = await startAssent(settingsFor(leastPrivilegeUrl(database.url)));
});
afterAll(() => assent.stop());

const BUF = join(import.meta.dirname, '../../node_modules/.bin/buf');
const bufCurl = async (...args: readonly string[]): Promise<string> => {
  const common = ['curl', '--protocol', 'grpc', '--http2-prior-knowledge'];
  // What it says of an error is on stderr, and is what is asked for here.
  const { stdout, stderr } = await run(BUF, [...common, ...args]).catch(
    (error: { stdout: string; stderr: string }) => error,
  );
  return stdout === '' ? stderr : stdout;
};
const call = async (method: MethodName, request: JsonObject): Promise<unknown> =>
  JSON.parse(await bufCurl('-d', JSON.stringify(request), `${assent.grpcUrl}/assent.auth.v1.AuthService/${method}`));

it('grpcurl lists the services and their methods', async () => {
  expect((await bufCurl('--list-services', assent.grpcUrl)).trim().split('\n')).toEqual([
    'assent.auth.v1.AuthService',
    'grpc.health.v1.Health',
  ]);
  const methods = await bufCurl('--list-methods', assent.grpcUrl);
  expect(methods.match(/assent\.auth\.v1\.AuthService\/\w+/g)).toHaveLength(7);
});

it.each<[MethodName, JsonObject, unknown]>([
  ['CheckPermission', { userId, organizationId, permission: 'organization:delete' }, { allowed: true }],
  ['BatchCheckPermissions', { checks: [{}] }, { results: [{ error: { code: 3 } }] }],
  ['ListPermissions', { userId, organizationId }, { roles: ['owner'] }],
  ['GetUser', { userId }, { user: { id: userId } }],
  ['GetOrganization', { slug: 'acme' }, { organization: { id: organizationId } }],
  ['ListUserOrganizations', { userId }, { memberships: [{ roles: ['owner'] }] }],
])('grpcurl calls %s', async (method, request, expected) => {
  expect(await call(method, request)).toMatchObject(expected as object);
});

it.each<[MethodName, JsonObject, string, unknown]>([
  ['VerifyToken', { token: 'x' }, 'unauthenticated', { reason: 'TOKEN_MALFORMED', domain: 'assent' }],
  ['GetUser', { userId: 'nobody' }, 'not_found', { reason: 'USER_NOT_FOUND', domain: 'assent' }],
  ['GetUser', {}, 'invalid_argument', { fieldViolations: [{ field: 'lookup', description: expect.any(String) }] }],
])('grpcurl shows the error of %s %j', async (method, request, code, detail) => {
  const answer = (await call(method, request)) as { code: string; details: readonly { type: string; value: string }[] };
  expect(answer.code).toBe(code);
  const [{ type, value } = { type: '', value: '' }] = answer.details;
  const desc = file_google_rpc_error_details.messages.find(({ typeName }) => typeName === type);
  if (desc === undefined) throw new Error(`an unknown detail: ${type}`);
  expect(toJson(desc, fromBinary(desc, Buffer.from(value, 'base64')))).toEqual(detail);
});
