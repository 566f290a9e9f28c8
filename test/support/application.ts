/** The demo's Better Auth application, for tests. */
export { ApiError, type Session } from '../../demo/application/client.ts';
export {
  type Application,
  type ApplicationOptions,
  createApplication,
  PASSWORD,
} from '../../demo/application/server.ts';

/** Long enough for Better Auth and for Assent. */
export const TEST_SECRET = 'a-secret-of-the-tests-that-is-long-enough';
