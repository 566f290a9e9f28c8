/** A helper program of the bench: a separate process on one core that answers each message with one message. */
import { spawn } from 'node:child_process';

export interface Child {
  readonly pid: number;
  /** Sends a message that is not answered. */
  send(message: object | string): void;
  /** Sends a message and waits for the answer; rejects when the process ends instead. */
  ask<Answer>(message: object | string): Promise<Answer>;
  stop(): Promise<void>;
}

/**
 * Starts a TypeScript file. It has to end when its IPC channel does, so that it never outlives us.
 * @param cores As taskset takes them; null: whichever are free.
 * @param file Relative to this folder.
 */
export const startChild = (
  cores: string | null,
  file: string,
  args: readonly string[],
  nodeArgs: readonly string[] = [],
): Child => {
  const node = [process.execPath, ...nodeArgs, new URL(file, import.meta.url).pathname, ...args];
  const [command = '', ...rest] = cores === null ? node : ['taskset', '-c', cores, ...node];
  const child = spawn(command, rest, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const { pid } = child;
  if (pid === undefined) throw new Error(`${file} could not be started`);
  return {
    pid,
    send: (message) => void child.send(message),
    ask: async <Answer>(message: object | string): Promise<Answer> => {
      const { promise, resolve } = Promise.withResolvers<Answer>();
      const listener = (answer: unknown): void => resolve(answer as Answer);
      child.once('message', listener);
      child.send(message);
      const result = await Promise.race([promise, ended.then(() => null)]);
      if (result === null) throw new Error(`${file} ${args.join(' ')} ended instead of answering`);
      return result;
    },
    stop: async () => {
      if (child.connected) child.disconnect();
      await ended;
    },
  };
};
