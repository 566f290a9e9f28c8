/**
 * Parses files that are read again while the service runs. A large one is parsed on another thread, so that a reload does
 * not hold the event loop: YAML takes a second or two for 1 MiB. The thread is made for one file.
 */
import { parentPort, Worker, workerData } from 'node:worker_threads';

export interface ParserOptions<Input extends ParseInput, Result> {
  /** Gives plain data, maps and sets. */
  readonly parse: (input: Input) => Result;
  /** The module that calls {@link answerWith} with the same function. */
  readonly thread: URL;
  /** Takes the results in the order in which the files were read. */
  readonly onParsed: (result: Result) => void;
  /** The parser threw, or its thread failed: out of memory, for example. */
  readonly onFailed: (error: unknown) => void;
}

/** The input of the thread: plain data. */
export interface ParseInput {
  readonly text: string;
}

export interface Parser<Input> {
  /** Parses a small file at once, and a large one on a thread. */
  take(input: Input): void;
  /** Settles once the files that were taken are parsed. */
  idle(): Promise<void>;
}

/** Creates the parser of one file. */
export function createParser<Input extends ParseInput, Result>(options: ParserOptions<Input, Result>): Parser<Input> {
  const { parse, thread, onParsed, onFailed } = options;
  /** Settles once the files that were read are in effect or refused; null when none is being parsed. */
  let parsing: Promise<void> | null = null;
  return {
    take: (input) => {
      if (parsing === null && isSmall(input.text)) {
        let result: Result;
        try {
          result = parse(input);
        } catch (error) {
          onFailed(error);
          return;
        }
        onParsed(result);
        return;
      }
      const mine: Promise<void> = (parsing ?? Promise.resolve())
        .then(() => parseOnThread<Result>(thread, input))
        .then(onParsed, onFailed)
        .finally(() => {
          if (parsing === mine) parsing = null;
        });
      parsing = mine;
    },
    idle: async () => {
      await parsing;
    },
  };
}

/** The thread's side: parses its input, and answers with the result. */
export function answerWith<Input extends ParseInput, Result>(parse: (input: Input) => Result): void {
  parentPort?.postMessage(parse(workerData as Input));
}

/** Whether a file is parsed at once: in UTF-16 units, and about 10 ms. A thread takes 100 ms and 30 MB. */
function isSmall(text: string): boolean {
  return text.length <= 8_192;
}

async function parseOnThread<Result>(thread: URL, input: ParseInput): Promise<Result> {
  const worker = new Worker(thread, { workerData: input, execArgv: [] });
  // A stop does not wait for it.
  worker.unref();
  return new Promise<Result>((resolve, reject) => {
    worker.once('message', resolve).once('error', reject);
    worker.once('exit', () => reject(new Error('the thread that parses the file has ended without a result')));
  });
}
