/** Parses a policy file to plain data, which a thread can send. Pure. */
import { PolicyError, parsePolicy } from './file.ts';
import type { Policy } from './grants.ts';

/** Its shared parts stay shared on the way from a thread. */
export type PolicyResult = { readonly policy: Policy } | { readonly problems: readonly string[] };

/** Parses a policy file as `parsePolicy` does, without an exception. */
export function parseResult({ text, file }: { readonly text: string; readonly file: string }): PolicyResult {
  try {
    return { policy: parsePolicy(text, file) };
  } catch (error) {
    return { problems: error instanceof PolicyError ? error.message.split('\n') : [String(error)] };
  }
}
