/**
 * A script of an application, for the runtimes under test: uses Better Auth with the installed plugin, prints the events
 * that must follow as one line of JSON, and ends without saying goodbye. It is run from a folder that has the package.
 * Arguments: the URL of the database, of NATS, the prefix and the stream.
 */
import { betterAuth } from 'better-auth';
import { organization } from 'better-auth/plugins';
import pg from 'pg';

const [databaseUrl = '', nats = '', prefix = '', stream = ''] = process.argv.slice(2);
// Missing when the repository's types are checked, unless the package was built before.
const name = '@assent/better-auth';
const { assent }: typeof import('../../../packages/better-auth/src/index.ts') = await import(name);

const pool = new pg.Pool({ connectionString: databaseUrl });
const auth = betterAuth({
  database: pool,
  baseURL: 'http://localhost:3000',
  secret: 'a-secret-of-the-tests-that-is-long-enough',
  logger: { level: 'warn' },
  emailAndPassword: { enabled: true },
  plugins: [assent({ nats, prefix, stream }), organization()],
});

const signUp = async (name: string) => {
  const body = { name, email: `${name}-${crypto.randomUUID()}@example.com`, password: 'correct horse battery staple' };
  const { headers, response } = await auth.api.signUpEmail({ body, returnHeaders: true });
  const cookie = headers.getSetCookie().map((line) => line.split(';')[0]);
  return { id: response.user.id, cookie: cookie.join('; ') };
};

const owner = await signUp('owner');
const member = await signUp('member');
const body = { name: 'Acme', slug: crypto.randomUUID(), userId: owner.id };
const organizationId = (await auth.api.createOrganization({ body }))?.id;
await auth.api.addMember({ body: { userId: member.id, organizationId, role: 'member' } });
// By HTTP, as browsers do, and in a transaction.
const request = new Request('http://localhost:3000/api/auth/organization/leave', {
  method: 'POST',
  headers: { cookie: member.cookie, origin: 'http://localhost:3000', 'content-type': 'application/json' },
  body: JSON.stringify({ organizationId }),
});
const { status } = await auth.handler(request);
if (status !== 200) throw new Error(`leave answered ${status}`);
await pool.end();

const events = [
  { name: 'user.updated', userId: owner.id },
  { name: 'user.updated', userId: member.id },
  { name: 'organization.updated', organizationId },
  { name: 'member.added', userId: owner.id, organizationId },
  { name: 'member.added', userId: member.id, organizationId },
  { name: 'member.removed', userId: member.id, organizationId },
];
process.stdout.write(`${JSON.stringify({ runtime: 'Bun' in globalThis ? 'bun' : 'node', events })}\n`);
