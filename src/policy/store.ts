/** The policy in force: the service reads it at start, and again when its file changes. */
import { createWatchedFile, readWatchedFile, unreadable } from '../watched-file.ts';
import { DEFAULT_POLICY } from './defaults.ts';
import { PolicyError, parsePolicy } from './file.ts';
import type { Policy } from './grants.ts';
import { isSmall, parseAside } from './parse-aside.ts';

/** Creates the store. Until {@link PolicyStore.start} the default policy is in force. */
export function createPolicyStore({ path, onReload, intervalMs }: PolicyStoreOptions): PolicyStore {
  let policy = parsePolicy(DEFAULT_POLICY, 'the default policy');
  /** Settles once the files that were read are in effect or refused; null when none is being parsed. */
  let parsing: Promise<void> | null = null;
  const file =
    path === null
      ? null
      : createWatchedFile({
          path,
          intervalMs,
          onChange: (text) => take(text, path),
          onUnreadable: (problem) => onReload({ ok: false, problems: [problem] }),
        });

  return {
    current: () => policy,
    start: async () => {
      if (path === null) return;
      let text: string;
      try {
        text = await readWatchedFile(path);
      } catch (cause) {
        throw new Error(`ASSENT_POLICY: ${unreadable(path, cause)}`, { cause });
      }
      policy = parsePolicy(text, path);
      file?.start(text);
    },
    look: async () => {
      await file?.look();
      await parsing;
    },
    reload: async () => {
      await file?.reload();
      await parsing;
    },
    stop: () => file?.stop(),
  };

  /** At once for a small file. A large one is parsed by a thread; files take effect in the order in which they were read. */
  function take(text: string, name: string): void {
    if (parsing === null && isSmall(text)) {
      try {
        succeed(parsePolicy(text, name));
      } catch (error) {
        fail(error);
      }
      return;
    }
    const mine: Promise<void> = (parsing ?? Promise.resolve())
      .then(() => parseAside(text, name))
      .then(succeed, fail)
      .finally(() => {
        if (parsing === mine) parsing = null;
      });
    parsing = mine;
  }

  function succeed(parsed: Policy): void {
    policy = parsed;
    onReload({ ok: true, problems: [] });
  }

  function fail(error: unknown): void {
    onReload({ ok: false, problems: error instanceof PolicyError ? error.message.split('\n') : [String(error)] });
  }
}

export interface PolicyStoreOptions {
  /** Null for Better Auth's default roles. */
  readonly path: string | null;
  readonly onReload: (reload: PolicyReload) => void;
  /** Time between two looks at the file, in milliseconds; 500 when absent. */
  readonly intervalMs?: number;
}

/** The result of reading a changed file. */
export interface PolicyReload {
  readonly ok: boolean;
  /** The reasons of a refusal, for people. */
  readonly problems: readonly string[];
}

export interface PolicyStore {
  /** The policy in force: always a whole one, the old or the new. */
  readonly current: () => Policy;
  /**
   * Reads the policy for the first time.
   * @throws {PolicyError} with all problems, or the error of reading the file.
   */
  start(): Promise<void>;
  /** Looks at the file once, as the timer does. Concurrent calls share one look. */
  look(): Promise<void>;
  /** Reads the file now and takes its policy, as after a change; without a file nothing happens. It never rejects. */
  reload(): Promise<void>;
  stop(): void;
}
