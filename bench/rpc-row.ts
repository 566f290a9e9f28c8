/** Rows that are measured by gRPC calls. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { cpuMicros, processTree } from './cpu.ts';
import type { H2load } from './h2load.ts';
import { type Counts, shareFrom } from './metrics.ts';
import type { Latency } from './numbers.ts';
import { frame, type Question } from './questions.ts';
import type { Row, Sample } from './row.ts';
import { askEach } from './rpc-client.ts';
import { createVariedLoad } from './varied-load.ts';

/** A server that is measured. */
export interface Target {
  readonly address: string;
  readonly pid: number;
  /** What it counted itself; null where it does not. */
  readonly scrape: (() => Promise<Counts>) | null;
  /** The end of its output when it has ended by itself; null while it runs. */
  readonly lastWords: () => string | null;
}

export interface RpcRowOptions {
  readonly name: string;
  readonly title: string;
  readonly target: () => Promise<Target>;
  readonly openRps: number;
  readonly decisions?: number;
  /** Where nearly all facts have to come from for the row to be what it says: `memory`, `redis`, `database`. */
  readonly source?: string;
}

export interface Load {
  readonly h2load: H2load;
  readonly cores: string;
  /** How long a measurement lasts. */
  readonly seconds: number;
  /** For bodies and logs. */
  readonly folder: string;
  readonly stack: AsyncDisposableStack;
}

/** A way to send requests to a server. */
interface Sender {
  /** Brings the server's caches to where the row begins. */
  reset(address: string): Promise<void>;
  warm(address: string, seconds: number): Promise<{ readonly rps: number }>;
  /** @returns Also the bytes of an average answer, where they are known. */
  closed(address: string, requests: number): Promise<{ rps: number; errors: number; answerBytes: number | null }>;
  open(address: string, rps: number, seconds: number): Promise<{ latency: Latency; errors: number }>;
}

/** Answers differ by the bytes of a varint or two; an answer that is an error has none at all. */
const MIN_ANSWER_SHARE = 0.97;
const MIN_SOURCE_SHARE = 0.95;
const MIN_WARM_SECONDS = 0.2;
const FRAME_BYTES = 5;
const END_MS = 300;
/** The number of calls in flight. */
const MIN_REQUESTS = 64;

const createRow = (options: RpcRowOptions, load: Load, sender: () => Promise<Sender>, example: Question): Row => {
  const { name, title, openRps, decisions = 1, source } = options;
  let expectedRps = 0;

  /** Runs a part of a measurement and adds the errors that only the server saw. */
  const watched = async <Result extends { readonly errors: number }>(
    { scrape }: Target,
    part: () => Promise<Result>,
  ): Promise<Result> => {
    const before = (await scrape?.()) ?? null;
    const result = await part();
    const after = (await scrape?.()) ?? null;
    if (before === null || after === null) return result;
    const share = source === undefined ? 1 : shareFrom(source, before, after);
    if (share < MIN_SOURCE_SHARE) {
      throw new Error(`${name}: only ${(share * 100).toFixed(1)} % of the facts came from ${source}`);
    }
    return { ...result, errors: Math.max(result.errors, after.failed - before.failed) };
  };

  /** Says what the server said when it did not live to answer. */
  const explained = async <Result>(work: (target: Target) => Promise<Result>): Promise<Result> => {
    const target = await options.target();
    try {
      return await work(target);
    } catch (error) {
      // A connection breaks before the exit event of the process.
      await delay(END_MS);
      const words = target.lastWords();
      if (words === null) throw error;
      throw new Error(`the server ended: ${words}`, { cause: error });
    }
  };

  return {
    name,
    title,
    openRps,
    decisions,
    question: null,
    start: () =>
      explained(async ({ address }) => {
        const send = await sender();
        await send.reset(address);
        await askEach(address, [example]);
        // Twice: what is compiled during the first does not count in how fast the rest is expected to be.
        await send.warm(address, load.seconds);
        expectedRps = (await send.warm(address, load.seconds)).rps;
      }),
    measure: () =>
      explained(async (target): Promise<Sample> => {
        const { address, pid } = target;
        const send = await sender();
        await send.reset(address);
        const answerBytes = (await askEach(address, [example])) + FRAME_BYTES;
        await send.warm(address, Math.max(MIN_WARM_SECONDS, load.seconds / 5));
        const requests = Math.max(MIN_REQUESTS, Math.round(expectedRps * load.seconds));
        const pids = processTree(pid);
        await send.reset(address);
        const closed = await watched(target, async () => {
          const before = cpuMicros(pids);
          const result = await send.closed(address, requests);
          return { ...result, cpu: (cpuMicros(pids) - before) / requests };
        });
        expectedRps = closed.rps;
        await send.reset(address);
        const open = await watched(target, () => send.open(address, openRps, load.seconds));
        await askEach(address, [example]);
        const received = closed.answerBytes ?? answerBytes;
        const absent =
          received < answerBytes * MIN_ANSWER_SHARE ? Math.ceil((1 - received / answerBytes) * requests) : 0;
        const errors = Math.max(closed.errors, absent) + open.errors;
        return { rps: closed.rps, cpuMicros: closed.cpu, latency: open.latency, errors };
      }),
  };
};

/** A row of one request, sent by h2load. */
export const rpcRow = (options: RpcRowOptions, question: Question, load: Load): Row => {
  const { h2load } = load;
  const bodyFile = join(load.folder, `${options.name.replaceAll('/', '-')}.body`);
  const { path } = question;
  const sender = async (): Promise<Sender> => {
    await writeFile(bodyFile, frame(question.body));
    return {
      reset: async () => {},
      warm: (address, seconds) => h2load.warm({ address, path, bodyFile }, seconds),
      closed: async (address, requests) => {
        const { rps, errors, dataBytes } = await h2load.closed({ address, path, bodyFile }, requests);
        return { rps, errors, answerBytes: dataBytes / requests };
      },
      open: (address, rps, seconds) => h2load.open({ address, path, bodyFile }, rps, seconds),
    };
  };
  return { ...createRow(options, load, sender, question), question };
};

/**
 * A row of many different requests.
 * @param reset Brings the server's caches to where the row begins, before each part of a measurement; gets a function
 *   that asks every question once.
 */
export const variedRow = (
  options: RpcRowOptions,
  questions: readonly Question[],
  load: Load,
  reset: (askAll: () => Promise<void>) => Promise<void>,
): Row => {
  const [example] = questions as [Question];
  const varied = createVariedLoad(load.cores, questions);
  load.stack.defer(() => varied.stop());
  const sender: Sender = {
    reset: async (address) => {
      await reset(async () => void (await varied.run(address, questions.length, null)));
      varied.rewind();
    },
    warm: (address, seconds) => varied.run(address, Math.round(WARM_RPS * seconds), null),
    closed: async (address, requests) => ({ ...(await varied.run(address, requests, null)), answerBytes: null }),
    open: (address, rps, seconds) => varied.run(address, Math.round(rps * seconds), rps),
  };
  return createRow(options, load, async () => sender, example);
};

/** What even the slowest of these rows answers. */
const WARM_RPS = 1_000;
