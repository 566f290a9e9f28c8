import { TEST_SECRET } from './application.ts';

/** The variables that every start of Assent wants. */
export const settingsFor = (databaseUrl: string) => ({
  DATABASE_URL: databaseUrl,
  BETTER_AUTH_SECRET: TEST_SECRET,
  BETTER_AUTH_URL: 'http://localhost:3000',
});
