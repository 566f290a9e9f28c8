/** h2load: found, run, and its output read. */
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { hasApt } from '../tools/local-services/apt.ts';
import { debianProgram } from '../tools/local-services/debian-packages.ts';
import { findOnPath, type Program, programWorks } from '../tools/local-services/programs.ts';
import { type Latency, latencyOf } from './numbers.ts';

const run = promisify(execFile);

/** Where requests go: `127.0.0.1:50051` or `unix:/path`. */
export type ServerAddress = string;

export interface LoadRequest {
  readonly address: ServerAddress;
  /** `/package.Service/Method`. */
  readonly path: string;
  /** The file with the framed message. */
  readonly bodyFile: string;
}

/** What came of a run. */
export interface LoadResult {
  readonly requests: number;
  readonly rps: number;
  /** Streams that failed and answers that were not HTTP 200. gRPC's own status is in trailers, which h2load ignores. */
  readonly errors: number;
  /** Bytes of all answers' bodies. */
  readonly dataBytes: number;
}

/** Connections, and streams on each at once, of the closed loop. */
export const CONNECTIONS = 4;
export const STREAMS = 16;
/** Of the open loop: requests wait in the server and not in the client. */
const OPEN_STREAMS = 100;
/** The first part of an open loop is left out: connections are being made. */
const SETTLE_MICROS = 200_000;

const INSTALL =
  "Install h2load first: `apt-get install nghttp2-client`, `brew install nghttp2`, or your system's like.";

/**
 * h2load from the path, else from Debian's package, unpacked into the cache folder.
 * @throws Error saying what to install.
 */
export const findH2load = async (): Promise<Program> => {
  const command = await findOnPath('h2load');
  if (command !== undefined && (await programWorks({ command, env: {} }))) return { command, env: {} };
  if (!(await hasApt())) throw new Error(INSTALL);
  try {
    return await debianProgram('nghttp2-client');
  } catch (error) {
    throw new Error(`${INSTALL} (${error instanceof Error ? error.message : String(error)})`);
  }
};

const number = (pattern: RegExp, text: string): number => {
  const found = pattern.exec(text)?.[1];
  if (found === undefined) throw new Error(`h2load printed nothing that matches ${pattern}:\n${text.slice(0, 2_000)}`);
  return Number(found);
};

/** Reads what h2load prints. */
const parseOutput = (text: string): LoadResult => {
  const requests = number(/^requests: \d+ total, \d+ started, (\d+) done/m, text);
  const notDone = number(/^requests: (\d+) total/m, text) - requests;
  const failed = number(/, (\d+) failed/, text) + number(/, (\d+) errored/, text) + number(/, (\d+) timeout/, text);
  const not200 = requests - number(/^status codes: (\d+) 2xx/m, text);
  return {
    requests,
    rps: number(/^finished in .*?, ([\d.]+) req\/s/m, text),
    errors: Math.max(notDone, failed, not200, 0),
    dataBytes: number(/\((\d+)\) data$/m, text),
  };
};

/** The lines of `--log-file`: start in microseconds of the epoch, HTTP status, microseconds to the end of the answer. */
const parseLog = (text: string): { readonly latency: Latency; readonly errors: number } => {
  const rows = text
    .trimEnd()
    .split('\n')
    .map((line) => line.split('\t').map(Number));
  const first = rows.reduce(
    (least, [start = Number.POSITIVE_INFINITY]) => Math.min(least, start),
    Number.POSITIVE_INFINITY,
  );
  const settled = rows.filter(([start = 0]) => start >= first + SETTLE_MICROS);
  return {
    latency: latencyOf(settled.map(([, , micros = Number.NaN]) => micros)),
    errors: rows.filter(([, status]) => status !== 200).length,
  };
};

export interface H2load {
  /** As fast as the server answers, for about `seconds`: to warm up and to learn how fast that is. */
  warm(request: LoadRequest, seconds: number): Promise<LoadResult>;
  /** As fast as the server answers, this many requests. */
  closed(request: LoadRequest, requests: number): Promise<LoadResult>;
  /** At a fixed rate. */
  open(
    request: LoadRequest,
    rps: number,
    seconds: number,
  ): Promise<{ readonly latency: Latency; readonly errors: number }>;
}

/** @param folder For its logs. */
export const createH2load = (program: Program, cores: string, folder: string): H2load => {
  const load = async ({ address, path, bodyFile }: LoadRequest, args: readonly string[]): Promise<string> => {
    const unix = address.startsWith('unix:');
    const target = unix ? ['-B', address, `http://localhost${path}`] : [`http://${address}${path}`];
    const headers = ['-H', 'content-type: application/grpc', '-H', 'te: trailers'];
    const { stdout } = await run(
      'taskset',
      ['-c', cores, program.command, '-t1', `-c${CONNECTIONS}`, '-d', bodyFile, ...headers, ...args, ...target],
      { env: { ...process.env, ...program.env }, maxBuffer: 16 * 1024 * 1024 },
    );
    return stdout;
  };
  return {
    warm: async (request, seconds) =>
      parseOutput(await load(request, [`-m${STREAMS}`, '-D', `${Math.ceil(seconds * 1_000)}ms`])),
    closed: async (request, requests) => parseOutput(await load(request, [`-m${STREAMS}`, '-n', String(requests)])),
    open: async (request, rps, seconds) => {
      const log = join(folder, 'latency.tsv');
      await writeFile(log, '');
      const requests = Math.round(rps * (seconds + SETTLE_MICROS / 1e6));
      const args = [`-m${OPEN_STREAMS}`, '-n', String(requests), `--rps=${rps / CONNECTIONS}`, `--log-file=${log}`];
      const result = parseOutput(await load(request, args));
      const { latency, errors } = parseLog(await readFile(log, 'utf8'));
      return { latency, errors: Math.max(errors, result.errors) };
    },
  };
};

/** Such as `nghttp2/1.52.0`. */
export const versionOf = async (program: Program): Promise<string> => {
  const { stdout } = await run(program.command, ['--version'], { env: { ...process.env, ...program.env } });
  return stdout.trim().replace(/^h2load /, '');
};
