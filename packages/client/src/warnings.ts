/** What the kit warns of, through the application's logger. */
import type { AssentLogger } from './options.ts';

export interface Warnings {
  /** The policy knows no such permission; said once for each name. */
  unknownPermission(permission: string): void;
}

const MAX_NAMES = 1_000;

export function createWarnings(logger: AssentLogger | null): Warnings {
  const named = new Set<string>();
  return {
    unknownPermission: (permission) => {
      if (logger === null || named.has(permission) || named.size >= MAX_NAMES) return;
      named.add(permission);
      logger.warn(`assent: the policy knows no permission ${permission}; is it misspelt?`);
    },
  };
}
