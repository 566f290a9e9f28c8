import { type ChildProcess, spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { type Cleanup, registerCleanup, unregisterCleanup } from './cleanup.ts';
import { signalProcess, waitForEnd } from './processes.ts';
import { startWatchdog } from './watchdog.ts';

/** How one server is run. */
export interface ServerPlan {
  /** For messages, such as `redis-server`. */
  name: string;
  command: string;
  args: readonly string[];
  env: NodeJS.ProcessEnv;
  cwd: string;
  /** The user to run as; only root can choose one. */
  user?: { uid: number; gid: number } | undefined;
  /** Asks the server to stop in good order. */
  stopSignal: NodeJS.Signals;
  /** Ends it at once, for the exit of this process. */
  abandonSignal: NodeJS.Signals;
  /** The line of its log that says that it serves. */
  ready: RegExp;
  /** Removed at the end; none if the folder belongs to the caller. */
  folder: string | undefined;
}

/** A server as a separate process that does not outlive this one. */
export interface ServerProcess {
  /** The process, while there is one. */
  readonly pid: number | undefined;
  /** The last 64 KiB of its log. */
  log(): string;
  /** Starts it (again) with the same plan; ready when it resolves. */
  start(): Promise<void>;
  /** Sends a signal; resolves when the process has ended, or at once for SIGSTOP, SIGCONT and others that do not end it. */
  kill(signal: NodeJS.Signals): Promise<void>;
  /** Ends the process in good order, by SIGKILL when that takes over 10 s, and leaves the folder. */
  halt(): Promise<void>;
  /** Ends the process and removes the folder. May be called more than once. */
  stop(): Promise<void>;
}

const readyTimeoutMs = 30_000;
const stopTimeoutMs = 10_000;
const abandonMs = 1000;
const logLimit = 64 * 1024;
const endingSignals: ReadonlySet<NodeJS.Signals> = new Set(['SIGKILL', 'SIGTERM', 'SIGINT', 'SIGQUIT', 'SIGABRT']);

interface Running {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly ended: Promise<void>;
}

/** A server that was not started yet. Registered for cleanup until its stop, which also removes the folder of one never started. */
export function createServerProcess(plan: ServerPlan): ServerProcess {
  const watchdog = startWatchdog(plan.stopSignal, plan.folder);
  let running: Running | undefined;
  let log = '';
  let stopped: Promise<void> | undefined;

  const cleanup: Cleanup = {
    stop: () => stop().catch(() => {}),
    abandon: () => {
      if (running !== undefined) {
        signalProcess(running.pid, plan.abandonSignal);
        signalProcess(running.pid, 'SIGCONT');
        waitForEnd(running.pid, abandonMs);
      }
      if (plan.folder !== undefined) {
        // What a server that is still ending writes into it again, the watchdog removes.
        rmSync(plan.folder, { recursive: true, force: true, maxRetries: 3 });
      }
    },
  };
  registerCleanup(cleanup);

  async function start(): Promise<void> {
    if (running !== undefined || stopped !== undefined) {
      throw new Error(`${plan.name} ${stopped === undefined ? 'runs already' : 'was stopped'}`);
    }
    log = '';
    // A separate process group: Ctrl-C reaches this process only, which stops its servers in its own order.
    const child = spawn(plan.command, plan.args, {
      cwd: plan.cwd,
      env: plan.env,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(plan.user ?? {}),
    });
    const ended = new Promise<void>((resolve) => {
      // close, not exit: what a killed PostgreSQL has forked holds its output, and its shared memory, for a moment longer.
      child.once('close', () => {
        running = undefined;
        watchdog.watch(undefined);
        resolve();
      });
      child.once('error', (error) => {
        log += `${error.message}\n`;
        if (child.pid === undefined) {
          resolve();
        }
      });
    });
    if (child.pid !== undefined) {
      running = { child, pid: child.pid, ended };
      watchdog.watch(child.pid);
    }
    await ready(child, ended);
    setReferenced(child, false);
  }

  async function ready(child: ChildProcess, ended: Promise<void>): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<'ready' | 'timeout'>();
    const onData = (chunk: Buffer) => {
      log = (log + chunk.toString('utf8')).slice(-logLimit);
      if (plan.ready.test(log)) {
        resolve('ready');
      }
    };
    child.stdout?.on('data', onData);
    child.stderr?.on('data', onData);
    const timer = setTimeout(() => resolve('timeout'), readyTimeoutMs);
    const outcome = await Promise.race([promise, ended.then(() => 'ended' as const)]);
    clearTimeout(timer);
    if (outcome === 'ready') {
      return;
    }
    if (outcome === 'timeout') {
      await kill('SIGKILL');
    }
    const why = outcome === 'timeout' ? `was not ready after ${readyTimeoutMs / 1000} s` : 'ended while starting';
    throw new Error(`${plan.name} ${why}:\n${log.trim() || '(no output)'}`);
  }

  async function kill(signal: NodeJS.Signals): Promise<void> {
    const target = running;
    if (target === undefined) {
      return;
    }
    setReferenced(target.child, true);
    signalProcess(target.pid, signal);
    if (endingSignals.has(signal)) {
      await target.ended;
    } else {
      setReferenced(target.child, false);
    }
  }

  async function halt(): Promise<void> {
    const target = running;
    if (target === undefined) {
      return;
    }
    setReferenced(target.child, true);
    signalProcess(target.pid, plan.stopSignal);
    // A process that SIGSTOP stopped receives no other signal before SIGCONT.
    signalProcess(target.pid, 'SIGCONT');
    const timer = setTimeout(() => signalProcess(target.pid, 'SIGKILL'), stopTimeoutMs);
    await target.ended;
    clearTimeout(timer);
  }

  function stop(): Promise<void> {
    stopped ??= (async () => {
      await halt();
      if (plan.folder !== undefined) {
        await rm(plan.folder, { recursive: true, force: true, maxRetries: 3 });
      }
      watchdog.release();
      unregisterCleanup(cleanup);
    })();
    return stopped;
  }

  return {
    get pid() {
      return running?.pid;
    },
    log: () => log,
    start,
    kill,
    halt,
    stop,
  };
}

/** A program that forgets a server must still be able to end; while something waits for the server, it must not. */
function setReferenced(child: ChildProcess, referenced: boolean): void {
  for (const handle of [child, child.stdout, child.stderr]) {
    const refable = handle as { ref?: () => void; unref?: () => void } | null;
    if (referenced) {
      refable?.ref?.();
    } else {
      refable?.unref?.();
    }
  }
}
