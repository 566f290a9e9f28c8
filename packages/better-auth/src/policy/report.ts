/** What the process that loads an auth.ts has to say. */
import type { ReadAuth } from './read-auth.ts';

export type Report = { readonly read: ReadAuth } | { readonly problem: string };
