/** A file whose changes take effect while the process runs: the policy, and the callers. ADR 16 has the reasons. */
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';

/** Creates the watch; nothing is read before {@link WatchedFile.start}. */
export function createWatchedFile({ path, onChange, onUnreadable, intervalMs = 500 }: WatchOptions): WatchedFile {
  /** The text of the file that was reported last. */
  let text = '';
  /** The text that the last look found. */
  let seen = '';
  let looking: Promise<void> | null = null;
  let reloading: Promise<void> | null = null;
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
    reload: async () => {
      reloading ??= reload().finally(() => {
        reloading = null;
      });
      await reloading;
    },
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
      found = await readWatchedFile(path);
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

  async function reload(): Promise<void> {
    // A look that began before may find an older text.
    await looking;
    try {
      text = await readWatchedFile(path);
    } catch (error) {
      onUnreadable(unreadable(path, error));
      return;
    }
    seen = text;
    onChange(text);
  }
}

/**
 * Reads a file that is to be watched.
 * @throws For a file of more than {@link MAX_BYTES}, and for a pipe or a device: they have no content that stays, and maybe no
 * end. The error has a `code`.
 */
export async function readWatchedFile(path: string): Promise<string> {
  // Without the flag, the opening of a pipe waits for a writer and holds a thread.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const found = await file.stat();
    if (found.isDirectory()) throw failure('EISDIR');
    if (!found.isFile()) throw failure('not a file');
    const buffer = Buffer.allocUnsafe(Math.min(found.size, MAX_BYTES) + 1);
    let length = 0;
    while (length < buffer.length) {
      const { bytesRead } = await file.read(buffer, length, buffer.length - length, null);
      if (bytesRead === 0) return buffer.toString('utf8', 0, length);
      length += bytesRead;
    }
    // A file that grows while it is read is read again at the next look.
    throw failure(length > MAX_BYTES ? `longer than ${MAX_BYTES} bytes` : 'it grows');
  } finally {
    await file.close();
  }
}

/** The parsers take 1,048,576 UTF-16 units, each of which has up to three bytes in UTF-8. */
const MAX_BYTES = 3_145_728;

function failure(code: string): Error {
  return Object.assign(new Error(code), { code });
}

export interface WatchOptions {
  readonly path: string;
  /** Takes the whole text of a changed file. It must not throw. */
  readonly onChange: (text: string) => void;
  /** Reports, as text for people, that the file was unreadable for ten looks in a row, once, or at a reload. */
  readonly onUnreadable: (problem: string) => void;
  /** Time between two looks at the file, in milliseconds; 500 when absent. */
  readonly intervalMs?: number | undefined;
}

export interface WatchedFile {
  /** @param text The text of the file that is in effect. */
  start(text: string): void;
  /** Looks at the file once, as the timer does. Concurrent calls share one look. */
  look(): Promise<void>;
  /**
   * Reads the file now and takes its text, also one that is in effect already, or was refused: an operator says that the file
   * is complete. An unreadable file is reported at once. Concurrent calls share one reading. It never rejects.
   */
  reload(): Promise<void>;
  stop(): void;
}

/** After so many failed looks in a row, an editor is no longer the cause. */
const LOOKS_WITHOUT_FILE = 10;

/** The problem of a file that cannot be read, with Node's code and without its text. */
export function unreadable(path: string, error: unknown): string {
  return `${path}: cannot be read (${error instanceof Error && 'code' in error ? String(error.code) : 'error'})`;
}
