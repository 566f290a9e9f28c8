/** The demo's Better Auth application, for tests. */
export { ApiError, type Session } from '../../demo/monolith/client.ts';
export { createMonolith, type Monolith, type MonolithOptions, PASSWORD } from '../../demo/monolith/server.ts';

/** Long enough for Better Auth and for Assent. */
export const TEST_SECRET = 'a-secret-of-the-tests-that-is-long-enough';
