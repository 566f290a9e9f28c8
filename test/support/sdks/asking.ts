/** A program of sdks/ that asks again and again, and what it prints. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { until } from '../until.ts';
import type { SdkProgram } from './languages.ts';

export interface Answer {
  readonly at: number;
  /** `allowed REASON`, `denied REASON` or `error CODE`. */
  readonly text: string;
}

export interface Asking {
  readonly answers: readonly Answer[];
  /** Waits for an answer that begins with this, printed after `since`. */
  next(start: string, since?: number, timeoutMs?: number): Promise<Answer>;
  stop(): Promise<void>;
}

/** @param question USER, ORGANIZATION and PERMISSION. */
export function keepAsking(program: SdkProgram, target: string, question: readonly string[], everyMs: number): Asking {
  const child = spawn(program.file, [...program.args, target, ...question, String(everyMs)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const answers: Answer[] = [];
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  createInterface({ input: child.stdout }).on('line', (text) => void answers.push({ at: performance.now(), text }));
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const next: Asking['next'] = async (start, since = performance.now(), timeoutMs = 30_000) => {
    let found: Answer | undefined;
    await until(
      `${start} from ${target}`,
      () => {
        if (child.exitCode !== null) throw new Error(`the program ended: ${said}`);
        found = answers.find(({ at, text }) => at >= since && text.startsWith(start));
        return found !== undefined;
      },
      timeoutMs,
    );
    return found as Answer;
  };
  return {
    answers,
    next,
    stop: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
}
