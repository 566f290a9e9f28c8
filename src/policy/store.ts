/** The policy in force: the service reads it at start, and again when its file changes. */
import { readFile } from 'node:fs/promises';
import { DEFAULT_POLICY } from './defaults.ts';
import { PolicyError, parsePolicy } from './file.ts';
import type { Policy } from './grants.ts';

/** Creates the store. Until {@link PolicyStore.start} the default policy is in force. */
export function createPolicyStore({ path, onReload, intervalMs = 500 }: PolicyStoreOptions): PolicyStore {
  let policy = parsePolicy(DEFAULT_POLICY, 'the default policy');
  /** The text of the file that was taken or refused last. */
  let text = '';
  /** The text that the last look found. */
  let seen = '';
  let looking: Promise<void> | null = null;
  let timer: NodeJS.Timeout | null = null;
  let looksWithoutFile = 0;

  return {
    current: () => policy,
    start: async () => {
      if (path === null) return;
      try {
        text = await readFile(path, 'utf8');
        seen = text;
      } catch (cause) {
        throw new Error(`ASSENT_POLICY: ${unreadable(path, cause)}`, { cause });
      }
      policy = parsePolicy(text, path);
      // Polling works alike for editors that replace files, for the symbolic links of a ConfigMap and for network file
      // systems. A watcher misses changes of each of them.
      timer = setInterval(() => void look(), intervalMs).unref();
    },
    look,
    stop: () => {
      if (timer !== null) clearInterval(timer);
    },
  };

  // One look at a time: a hanging file system must not occupy all threads of the pool, which also resolves host names.
  async function look(): Promise<void> {
    if (path === null) return;
    looking ??= read(path).finally(() => {
      looking = null;
    });
    await looking;
  }

  async function read(file: string): Promise<void> {
    let found: string;
    try {
      found = await readFile(file, 'utf8');
    } catch (error) {
      // An editor that removes and renames leaves a moment without a file; the next look decides.
      looksWithoutFile += 1;
      if (looksWithoutFile === LOOKS_WITHOUT_FILE) onReload({ ok: false, problems: [unreadable(file, error)] });
      return;
    }
    looksWithoutFile = 0;
    // Two looks with the same text: the file is written to its end. A part of a name can be another name.
    const isWhole = found === seen;
    seen = found;
    if (!isWhole || found === text) return;
    text = found;
    try {
      policy = parsePolicy(found, file);
      onReload({ ok: true, problems: [] });
    } catch (error) {
      onReload({ ok: false, problems: error instanceof PolicyError ? error.message.split('\n') : [String(error)] });
    }
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
  stop(): void;
}

/** After so many failed looks in a row, an editor is no longer the cause. */
const LOOKS_WITHOUT_FILE = 10;

function unreadable(path: string, error: unknown): string {
  return `${path}: cannot be read (${error instanceof Error && 'code' in error ? String(error.code) : 'error'})`;
}
