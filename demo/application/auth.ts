/**
 * The instance for tools, which want one at hand: Better Auth's own, and `assent-policy`, which exports demo/policy.yaml
 * from it. The application makes its own in server.ts, once it knows its port.
 */
import pg from 'pg';
import { createAuth } from './create-auth.ts';

export const auth = createAuth({
  // Connects at the first query.
  pool: new pg.Pool({ connectionString: process.env['DATABASE_URL'] }),
  origin: 'http://127.0.0.1:3000',
  secret: process.env['BETTER_AUTH_SECRET'] ?? 'not-a-secret-since-nothing-is-signed-with-it',
  naming: 'plural',
  tokenLifetime: '15m',
  nats: process.env['NATS_URL'],
});
