/** A file whose changes take effect while the process runs: the policy, and the callers. ADR 16 has the reasons. */
import { readFile } from 'node:fs/promises';

/** Creates the watch; nothing is read before {@link WatchedFile.start}. */
export function createWatchedFile({ path, onChange, onUnreadable, intervalMs = 500 }: WatchOptions): WatchedFile {
  /** The text of the file that was reported last. */
  let text = '';
  /** The text that the last look found. */
  let seen = '';
  let looking: Promise<void> | null = null;
  let timer: NodeJS.Timeout | null = null;
  let looksWithoutFile = 0;

  return {
    start: (first) => {
      text = first;
      seen = first;
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
    looking ??= read().finally(() => {
      looking = null;
    });
    await looking;
  }

  async function read(): Promise<void> {
    let found: string;
    try {
      found = await readFile(path, 'utf8');
    } catch (error) {
      // An editor that removes and renames leaves a moment without a file; the next look decides.
      looksWithoutFile += 1;
      if (looksWithoutFile === LOOKS_WITHOUT_FILE) onUnreadable(unreadable(path, error));
      return;
    }
    looksWithoutFile = 0;
    // Two looks with the same text: the file is written to its end. A part of a name can be another name.
    const isWhole = found === seen;
    seen = found;
    if (!isWhole || found === text) return;
    text = found;
    onChange(found);
  }
}

export interface WatchOptions {
  readonly path: string;
  /** Takes the whole text of a changed file. It must not throw. */
  readonly onChange: (text: string) => void;
  /** Reports once that the file has been unreadable for ten looks in a row, as text for people. */
  readonly onUnreadable: (problem: string) => void;
  /** Time between two looks at the file, in milliseconds; 500 when absent. */
  readonly intervalMs?: number | undefined;
}

export interface WatchedFile {
  /** @param text The text of the file that is in effect. */
  start(text: string): void;
  /** Looks at the file once, as the timer does. Concurrent calls share one look. */
  look(): Promise<void>;
  stop(): void;
}

/** After so many failed looks in a row, an editor is no longer the cause. */
const LOOKS_WITHOUT_FILE = 10;

/** The problem of a file that cannot be read, with Node's code and without its text. */
export function unreadable(path: string, error: unknown): string {
  return `${path}: cannot be read (${error instanceof Error && 'code' in error ? String(error.code) : 'error'})`;
}
