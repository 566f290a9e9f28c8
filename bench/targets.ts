/** The servers that rows ask, each started at its first use. */
import { join } from 'node:path';
import { startAssent } from './assent.ts';
import type { Cores } from './cores.ts';
import { processTree } from './cpu.ts';
import { scrape } from './metrics.ts';
import { startNodeServer } from './pinned-process.ts';
import { lazy, RowUnavailable } from './row.ts';
import type { Target } from './rpc-row.ts';
import { startCerbos } from './servers/cerbos.ts';
import type { World } from './world.ts';

type LazyTarget = () => Promise<Target>;

export interface Targets {
  readonly http2Echo: LazyTarget;
  readonly grpcEcho: LazyTarget;
  readonly grpcRedisGet: LazyTarget;
  readonly cerbos: LazyTarget;
  /** Assent with everything on. */
  readonly assent: LazyTarget;
  readonly assentUnix: LazyTarget;
  /** With a memory of one entry, so that nearly every answer comes from Redis or PostgreSQL. */
  readonly assentForgetful: LazyTarget;
  readonly assentWorkers: LazyTarget;
}

/** @param folder For sockets and settings. */
export const createTargets = (world: World, cores: Cores, folder: string, stack: AsyncDisposableStack): Targets => {
  const baseline = (name: string, file: string, ...args: readonly string[]): LazyTarget =>
    lazy(async () => {
      const { address, pid, lastWords, stop } = await startNodeServer(name, cores.server, file, args);
      stack.defer(stop);
      return { address, pid, scrape: null, lastWords };
    });
  const assent = (environment: Readonly<Record<string, string>>, on = cores.server): LazyTarget =>
    lazy(async () => {
      const { grpcAddress, httpUrl, pid, lastWords, stop } = await startAssent(on, {
        ...world.environment,
        ...environment,
      });
      stack.defer(stop);
      return { address: grpcAddress, pid, scrape: () => scrape(httpUrl), lastWords };
    });
  const workers = assent({ ASSENT_WORKERS: '2' }, cores.all);
  return {
    http2Echo: baseline('http2-echo', './servers/http2-echo.ts'),
    grpcEcho: baseline('grpc-echo', './servers/grpc-echo.ts'),
    grpcRedisGet: baseline('grpc-redis-get', './servers/grpc-redis-get.ts', world.redisUrl),
    cerbos: lazy(async () => {
      const server = await startCerbos(cores.server, join(folder, 'cerbos'), world.environment['ASSENT_POLICY'] ?? '');
      if (server === null) throw new RowUnavailable('its package is not installed for this machine');
      stack.defer(server.stop);
      return { address: server.address, pid: server.pid, scrape: null, lastWords: server.lastWords };
    }),
    assent: assent({}),
    assentUnix: assent({ ASSENT_GRPC_ADDRESS: `unix:${join(folder, 'assent.sock')}` }),
    assentForgetful: assent({ ASSENT_MEMORY_ENTRIES: '1' }),
    assentWorkers: lazy(async () => {
      const target = await workers();
      if (processTree(target.pid).length < 3) throw new RowUnavailable('ASSENT_WORKERS=2 started no workers');
      return target;
    }),
  };
};
