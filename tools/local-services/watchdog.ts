import { spawn } from 'node:child_process';

/** Ends a server and removes its folder if this process dies without doing so itself, even by SIGKILL. */
export interface Watchdog {
  /** Names the process to end, or none while the server is down. */
  watch(pid: number | undefined): void;
  /** Everything is stopped: nothing is left to do. */
  release(): void;
}

/**
 * Reads pids from a pipe whose other end only this process holds. The end of that pipe without `done` is the death of
 * this process, however it died. A container's first process often never asks about the ended ones that it inherits, so
 * that they stay as zombies, which `kill -0` takes for alive.
 */
const script = `
trap '' HUP INT TERM
pid=
while read -r line; do
  [ "$line" = done ] && exit 0
  pid=$line
done
if [ "$pid" != none ] && [ -n "$pid" ]; then
  kill -s "$1" "$pid"
  kill -s CONT "$pid"
  n=0
  while kill -0 "$pid" && [ "$n" -lt 60 ]; do
    read -r stat <"/proc/$pid/stat" && case $stat in *') Z '*) break ;; esac
    sleep 0.05
    n=$((n + 1))
  done
  kill -s KILL "$pid"
fi 2>/dev/null
[ -z "$2" ] || rm -rf -- "$2"
`;

/**
 * Starts a watchdog: one waiting shell.
 * @param stopSignal what the server takes as the order to stop, such as `SIGTERM`
 * @param folder removed after the server's end; none if it is not ours
 */
export function startWatchdog(stopSignal: NodeJS.Signals, folder: string | undefined): Watchdog {
  const shell = spawn('/bin/sh', ['-c', script, 'assent-watchdog', stopSignal.replace(/^SIG/, ''), folder ?? ''], {
    cwd: '/',
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  // Best effort: where there is no shell, exit and signal handlers still stop the servers.
  shell.on('error', () => {});
  shell.stdin.on('error', () => {});
  shell.unref();
  const pipe = shell.stdin;
  if ('unref' in pipe && typeof pipe.unref === 'function') {
    pipe.unref();
  }
  return {
    watch: (pid) => void pipe.write(`${pid ?? 'none'}\n`),
    release: () => void pipe.end('done\n'),
  };
}
