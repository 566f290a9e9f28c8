/** The callers in force, and their file: a changed file takes effect as a whole, one with problems does not. */
import { createParser } from '../parse-aside.ts';
import { createWatchedFile } from '../watched-file.ts';
import type { CallerEntry, CallersPlace } from './entry.ts';
import { createExpiryWatch, type ExpiryReports, lastExpiries } from './expiry.ts';
import { type ParsedCallers, parseCallersFile } from './file.ts';
import { createKnownCallers, type KnownCallers } from './known-callers.ts';
import { createOpenCalls, type OpenCalls } from './open-calls.ts';

/** A file of callers as it was read at the start. */
export interface CallersFile {
  readonly path: string;
  readonly text: string;
  readonly entries: readonly CallerEntry[];
  readonly place: CallersPlace;
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
  /** Reports at the start, at each reload and as time goes on. */
  readonly expiry: ExpiryReports;
  /** Time between two looks at the file, in milliseconds; 500 when absent. */
  readonly intervalMs?: number;
}

export interface CallersStore {
  /** The callers in force now. */
  readonly current: () => KnownCallers;
  /** The streaming calls that are open; each ends within half a second after its caller may no longer make it. */
  readonly openCalls: OpenCalls;
  /** The end of each caller's last token in milliseconds since the epoch, for callers whose tokens all have an end. */
  lastExpiries(): ReadonlyMap<string, number>;
  /** Begins to look at the file and at the clock. */
  start(): void;
  /** Looks at the file once, as the timer does. */
  look(): Promise<void>;
  /** Looks at the clock once, as the timer does: at the tokens, and at the open calls. */
  review(): void;
  /** Reads the file now and takes its callers, as after a change; without a file nothing happens. It never rejects. */
  reload(): Promise<void>;
  stop(): void;
}

/** Creates the store. */
export function createCallersStore(options: CallersStoreOptions): CallersStore {
  const { file, entries, workers, now, onReload, intervalMs = 500 } = options;
  let callers = createKnownCallers(entries, workers);
  let expiries = lastExpiries(entries);
  let timer: NodeJS.Timeout | null = null;
  const openCalls = createOpenCalls(() => callers, now);
  const expiry = createExpiryWatch(options.expiry);
  const parser = createParser({
    parse: parseCallersFile,
    thread: new URL('./parse-worker.ts', import.meta.url),
    onParsed: take,
    onFailed: (error) => onReload({ ok: false, problems: [String(error)] }),
  });
  const watched =
    file === null
      ? null
      : createWatchedFile({
          path: file.path,
          intervalMs,
          onChange: (text) => parser.take({ text, place: file.place }),
          onUnreadable: (problem) => onReload({ ok: false, problems: [problem] }),
        });

  return {
    current: () => callers,
    openCalls,
    lastExpiries: () => expiries,
    start: () => {
      expiry.begin(entries, now());
      watched?.start(file?.text ?? '');
      if (file !== null) timer = setInterval(review, intervalMs).unref();
    },
    look: async () => {
      await watched?.look();
      await parser.idle();
    },
    reload: async () => {
      await watched?.reload();
      await parser.idle();
    },
    review,
    stop: () => {
      watched?.stop();
      if (timer !== null) clearInterval(timer);
    },
  };

  function take({ value, problems }: ParsedCallers): void {
    const ok = problems.length === 0;
    if (ok) {
      callers = callers.changed(value);
      expiries = lastExpiries(value);
    }
    onReload({ ok, problems });
    if (!ok) return;
    expiry.begin(value, now());
    openCalls.review();
  }

  // By the wall clock at each look, and not by a timer for each token: the clock may be set.
  function review(): void {
    expiry.advance(now());
    openCalls.review();
  }
}
