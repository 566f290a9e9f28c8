/** The policy in force: read at start, and read again when its file changes. */
import { readFile } from 'node:fs/promises';
import { DEFAULT_POLICY } from './default-policy.ts';
import type { Policy } from './policy.ts';
import { PolicyError, parsePolicy } from './policy-file.ts';

/** What came of reading a changed file. */
export interface PolicyReload {
  readonly ok: boolean;
  /** Why the file was refused, for people. */
  readonly problems: readonly string[];
}

export interface PolicyStoreOptions {
  /** Null for Better Auth's default roles. */
  readonly path: string | null;
  readonly onReload: (reload: PolicyReload) => void;
  /** How often the file is looked at, in milliseconds. */
  readonly intervalMs?: number;
}

export interface PolicyStore {
  /** The policy in force: always a whole one, the old or the new. */
  readonly current: () => Policy;
  /**
   * Reads the policy for the first time.
   * @throws {PolicyError} with all problems, or the error of reading the file.
   */
  start(): Promise<void>;
  /** Looks at the file once more, as it does by itself; whoever looks meanwhile has the same look. */
  look(): Promise<void>;
  stop(): void;
}

/** After so many looks in a row a file that cannot be read is no editor's doing any more. */
const LOOKS_WITHOUT_FILE = 10;

const unreadable = (path: string, error: unknown): string =>
  `${path}: cannot be read (${error instanceof Error && 'code' in error ? String(error.code) : 'error'})`;

/** Creates the store; until {@link PolicyStore.start} the default policy is in force. */
export const createPolicyStore = ({ path, onReload, intervalMs = 500 }: PolicyStoreOptions): PolicyStore => {
  let policy = parsePolicy(DEFAULT_POLICY, 'the default policy');
  let text = '';
  let seen = '';
  let looking: Promise<void> | null = null;
  let timer: NodeJS.Timeout | null = null;
  let looksWithoutFile = 0;

  const read = async (file: string): Promise<void> => {
    let found: string;
    try {
      found = await readFile(file, 'utf8');
    } catch (error) {
      // Between an editor's removing and renaming there is no file; the next look decides.
      looksWithoutFile += 1;
      if (looksWithoutFile === LOOKS_WITHOUT_FILE) onReload({ ok: false, problems: [unreadable(file, error)] });
      return;
    }
    looksWithoutFile = 0;
    // What another look finds as well has been written to its end: half of a name can be the name of something else.
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
  };

  // One at a time: a file system that hangs must not hold all of the few threads that read files and resolve names.
  const look = async (): Promise<void> => {
    if (path === null) return;
    looking ??= read(path).finally(() => {
      looking = null;
    });
    await looking;
  };

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
      // Looking at the content twice a second is the one way that works alike for editors that replace files, for the
      // symbolic links of a ConfigMap and for network file systems, none of which a watcher hears of reliably.
      timer = setInterval(() => void look(), intervalMs).unref();
    },
    look,
    stop: () => {
      if (timer !== null) clearInterval(timer);
    },
  };
};
