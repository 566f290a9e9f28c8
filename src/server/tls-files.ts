/** The TLS files in force: they are read at start, and again when one of them changes. */
import { checkTls, type TlsConfig, type TlsFiles } from '../config/tls.ts';
import { createWatchedFile, type WatchedFile } from '../watched-file.ts';

export interface TlsFilesOptions {
  readonly files: TlsFiles;
  /** The texts of the files at the start. */
  readonly tls: TlsConfig;
  /** Takes texts that belong together. It must not throw. */
  readonly use: (tls: TlsConfig) => void;
  readonly onReload: (reload: { readonly ok: boolean; readonly problems: readonly string[] }) => void;
  /** Time between two looks at the files, in milliseconds; 500 when absent. */
  readonly intervalMs?: number;
}

export interface TlsFilesStore {
  start(): void;
  /** Reads all files now. It never rejects. */
  reload(): Promise<void>;
  stop(): void;
}

/** Creates the store; files with a problem leave those before them in force. */
export function createTlsFiles(options: TlsFilesOptions): TlsFilesStore {
  const { files, use, onReload, intervalMs = 500 } = options;
  let tls = options.tls;
  let timer: NodeJS.Timeout | null = null;
  /** The files that a reload could not read; null while there is no reload. */
  let unread: number | null = null;
  const watch = (part: keyof TlsConfig, path: string): readonly [keyof TlsConfig, WatchedFile] => [
    part,
    createWatchedFile({
      path,
      intervalMs,
      onChange: (text) => {
        tls = { ...tls, [part]: text };
        // A certificate and its key are two files, and they change one after the other.
        if (timer === null && unread === null) timer = setTimeout(apply, intervalMs).unref();
      },
      onUnreadable: (problem) => {
        if (unread !== null) unread += 1;
        onReload({ ok: false, problems: [problem] });
      },
    }),
  ];
  const watched = [
    watch('cert', files.cert),
    watch('key', files.key),
    ...(files.clientCa === null ? [] : [watch('clientCa', files.clientCa)]),
  ];

  return {
    start: () => {
      for (const [part, file] of watched) file.start(tls[part] ?? '');
    },
    reload: async () => {
      unread = 0;
      await Promise.all(watched.map(([, file]) => file.reload()));
      if (unread === 0) apply();
      unread = null;
    },
    stop: () => {
      for (const [, file] of watched) file.stop();
      stopTimer();
    },
  };

  function apply(): void {
    stopTimer();
    const problems = checkTls(tls);
    if (problems.length === 0) use(tls);
    onReload({ ok: problems.length === 0, problems });
  }

  function stopTimer(): void {
    if (timer !== null) clearTimeout(timer);
    timer = null;
  }
}
