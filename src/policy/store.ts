/** The policy in force: the service reads it at start, and again when its file changes. */
import { createParser } from '../parse-aside.ts';
import { createWatchedFile, readWatchedFile, unreadable } from '../watched-file.ts';
import { DEFAULT_POLICY } from './defaults.ts';
import { parsePolicy } from './file.ts';
import type { Policy } from './grants.ts';
import { parseResult } from './parse-result.ts';

/** Creates the store. Until {@link PolicyStore.start} the default policy is in force. */
export function createPolicyStore({ path, onReload, intervalMs }: PolicyStoreOptions): PolicyStore {
  let policy = parsePolicy(DEFAULT_POLICY, 'the default policy');
  const parser = createParser({
    parse: parseResult,
    thread: new URL('./parse-worker.ts', import.meta.url),
    onParsed: (result) => {
      if ('policy' in result) policy = result.policy;
      onReload({ ok: 'policy' in result, problems: 'policy' in result ? [] : result.problems });
    },
    onFailed: (error) => onReload({ ok: false, problems: [String(error)] }),
  });
  const file =
    path === null
      ? null
      : createWatchedFile({
          path,
          intervalMs,
          onChange: (text) => parser.take({ text, file: path }),
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
      await parser.idle();
    },
    reload: async () => {
      await file?.reload();
      await parser.idle();
    },
    stop: () => file?.stop(),
  };
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
