/** Assent as a separate process, as `npm start` runs it, for the demo and for end-to-end tests. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type Cleanup, registerCleanup, unregisterCleanup } from '../local-services/cleanup.ts';
import { startWatchdog } from '../local-services/watchdog.ts';

/** A line of the log. */
export interface LogLine {
  readonly level: number;
  readonly msg: string;
  /** The stable name of the line (docs/operate/log.md); undefined for output that is not of the log. */
  readonly event?: string;
  readonly [field: string]: unknown;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface AssentProcess {
  readonly pid: number | undefined;
  /** The log so far. */
  logs(): readonly LogLine[];
  /** What it wrote to stderr so far. */
  stderr(): string;
  /**
   * The first line of the log, past or coming, that passes.
   * @throws with all of the output when the process ends, or `timeoutMs` pass, without one.
   */
  logged(test: (line: LogLine) => boolean, timeoutMs?: number): Promise<LogLine>;
  kill(signal: NodeJS.Signals): void;
  readonly exited: Promise<Exit>;
  /** SIGTERM, and SIGKILL when it has not ended after 10 s. May be called more than once. */
  stop(): Promise<Exit>;
}

/** Assent that serves. */
export interface ServingAssent extends AssentProcess {
  /** `127.0.0.1:50051`, for grpcurl and the like. */
  readonly grpcAddress: string;
  /** The same as a URL. */
  readonly grpcUrl: string;
  /** The URL of the HTTP server; null when it is off. */
  readonly httpUrl: string | null;
}

type Environment = Readonly<Record<string, string | undefined>>;

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
/** How `npm start` sets the garbage collector. */
const FLAGS: readonly string[] =
  readFileSync(new URL('../../package.json', import.meta.url), 'utf8').match(/--max-[a-z-]+=\d+/g) ?? [];
const STOP_TIMEOUT_MS = 10_000;
const SERVING_TIMEOUT_MS = 20_000;

const OURS = /^(?:ASSENT_|BETTER_AUTH_|NATS_|OTEL_)|^(?:DATABASE_URL|REDIS_URL|LOG_LEVEL)$/;

/** What this process has, without any setting of Assent: those come from the caller alone. */
const cleanEnvironment = (): Environment =>
  Object.fromEntries(Object.entries(process.env).filter(([name]) => !OURS.test(name)));

const parseLine = (line: string): LogLine => {
  try {
    const parsed: unknown = JSON.parse(line);
    if (typeof parsed === 'object' && parsed !== null && 'level' in parsed && 'msg' in parsed) {
      return parsed as LogLine;
    }
  } catch {
    // Not of the log.
  }
  return { level: 0, msg: line };
};

/** Ends the process with ours, however ours ends; nothing is left once it has ended. */
const endWithUs = (child: ChildProcess, exited: Promise<Exit>, stop: () => Promise<unknown>): void => {
  const cleanup: Cleanup = {
    stop: async () => void (await stop()),
    abandon: () => void child.kill('SIGKILL'),
  };
  registerCleanup(cleanup);
  const watchdog = startWatchdog('SIGTERM', undefined);
  watchdog.watch(child.pid);
  void exited.then(() => {
    watchdog.release();
    unregisterCleanup(cleanup);
  });
};

/**
 * Starts `src/main.ts` with these settings and no others. Addresses that are not given are free ports of 127.0.0.1;
 * the log names them when it serves.
 * @param main The file to run, for a changed copy of the service.
 */
export const spawnAssent = (environment: Environment, main = MAIN): AssentProcess => {
  const child = spawn(process.execPath, [...FLAGS, main], {
    env: {
      ...cleanEnvironment(),
      ASSENT_GRPC_ADDRESS: '127.0.0.1:0',
      ASSENT_HTTP_ADDRESS: '127.0.0.1:0',
      ...environment,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
    // A separate process group: Ctrl-C reaches this process only, which stops its children in order.
    detached: true,
  });
  const logs: LogLine[] = [];
  const listeners = new Set<(line: LogLine) => void>();
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    stderr += chunk;
  });
  createInterface({ input: child.stdout }).on('line', (text) => {
    const line = parseLine(text);
    logs.push(line);
    for (const listener of listeners) listener(line);
  });
  const exited = new Promise<Exit>((resolve) => {
    // close, not exit: by then all of its output has been read.
    child.once('close', (code, signal) => resolve({ code, signal }));
    child.once('error', (error) => {
      stderr += error.message;
      if (child.pid === undefined) resolve({ code: null, signal: null });
    });
  });

  const stop = async (): Promise<Exit> => {
    child.kill('SIGTERM');
    // A process that SIGSTOP stopped receives no other signal before SIGCONT.
    child.kill('SIGCONT');
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
    const exit = await exited;
    clearTimeout(timer);
    return exit;
  };
  endWithUs(child, exited, stop);

  const logged: AssentProcess['logged'] = async (test, timeoutMs = SERVING_TIMEOUT_MS) => {
    const past = logs.find(test);
    if (past !== undefined) return past;
    const { promise, resolve, reject } = Promise.withResolvers<LogLine>();
    const fail = (why: string): void => {
      const output = [...logs.map((line) => JSON.stringify(line)), stderr.trim()].join('\n').trim();
      reject(new Error(`Assent ${why}:\n${output === '' ? '(no output)' : output}`));
    };
    const listener = (line: LogLine): void => {
      if (test(line)) resolve(line);
    };
    listeners.add(listener);
    const timer = setTimeout(() => fail(`did not log what was waited for in ${timeoutMs / 1000} s`), timeoutMs);
    void exited.then(({ code, signal }) => fail(`ended (${signal ?? `exit code ${code}`})`));
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      listeners.delete(listener);
    }
  };

  return {
    pid: child.pid,
    logs: () => logs,
    stderr: () => stderr,
    logged,
    kill: (signal) => void child.kill(signal),
    exited,
    stop,
  };
};

/**
 * Starts Assent and waits until its servers listen.
 * @param until The event of the log line to wait for.
 * @param main The file to run, for a changed copy of the service.
 * @throws with its output when it does not come so far; the process has then ended.
 */
export const startAssent = async (
  environment: Environment,
  until = 'service.serving',
  main = MAIN,
): Promise<ServingAssent> => {
  const assent = spawnAssent(environment, main);
  try {
    const serving = await assent.logged(({ event }) => event === until);
    const grpcAddress = String(serving['grpc']);
    return {
      ...assent,
      grpcAddress,
      grpcUrl: `http://${grpcAddress}`,
      httpUrl: serving['http'] === undefined ? null : `http://${String(serving['http'])}`,
    };
  } catch (error) {
    await assent.stop();
    throw error;
  }
};
