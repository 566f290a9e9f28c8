/** The callers in force, and their file: a changed file takes effect as a whole, one with problems does not. */
import { createWatchedFile } from '../watched-file.ts';
import { type CallerEntry, parseCallers } from './file.ts';
import { createKnownCallers, type KnownCallers } from './known-callers.ts';

/** A file of callers as it was read at the start. */
export interface CallersFile {
  readonly path: string;
  readonly text: string;
  readonly entries: readonly CallerEntry[];
  /** Whether the servers ask for client certificates. */
  readonly hasClientCertificates: boolean;
}

export interface CallersStoreOptions {
  /** Null for callers that do not change. */
  readonly file: CallersFile | null;
  /** The callers at the start. */
  readonly entries: readonly CallerEntry[];
  /** The number of processes that share the limits of a replica. */
  readonly workers: number;
  readonly now: () => number;
  readonly onReload: (reload: { readonly ok: boolean; readonly problems: readonly string[] }) => void;
  /** Called at the start and at each reload for each token that has expired already. */
  readonly onExpired: (caller: string) => void;
  /** Time between two looks at the file, in milliseconds; 500 when absent. */
  readonly intervalMs?: number;
}

export interface CallersStore {
  /** The callers in force now. */
  readonly current: () => KnownCallers;
  /** Begins to look at the file. */
  start(): void;
  /** Looks at the file once, as the timer does. */
  look(): Promise<void>;
  /** Reads the file now and takes its callers, as after a change; without a file nothing happens. It never rejects. */
  reload(): Promise<void>;
  stop(): void;
}

/** Creates the store. */
export function createCallersStore(options: CallersStoreOptions): CallersStore {
  const { file, entries, workers, now, onReload, onExpired, intervalMs } = options;
  let callers = createKnownCallers(entries, workers);
  const watched =
    file === null
      ? null
      : createWatchedFile({
          path: file.path,
          intervalMs,
          onChange: (text) => take(text, file.hasClientCertificates),
          onUnreadable: (problem) => onReload({ ok: false, problems: [problem] }),
        });

  return {
    current: () => callers,
    start: () => {
      reportExpired(entries);
      watched?.start(file?.text ?? '');
    },
    look: async () => watched?.look(),
    reload: async () => watched?.reload(),
    stop: () => watched?.stop(),
  };

  function take(text: string, hasClientCertificates: boolean): void {
    const { value, problems } = parseCallers(text, hasClientCertificates);
    if (problems.length === 0) callers = callers.changed(value);
    onReload({ ok: problems.length === 0, problems });
    if (problems.length === 0) reportExpired(value);
  }

  // Not a problem of the file: a service that is restarted after the end of a token has to start.
  function reportExpired(of: readonly CallerEntry[]): void {
    for (const { name, tokens } of of) {
      for (const { expiresAt } of tokens) if (expiresAt !== null && expiresAt <= now()) onExpired(name);
    }
  }
}
