/** How the NATS servers between publishers and replicas are joined, and the links between them. */
import { setTimeout as delay } from 'node:timers/promises';
import {
  AckPolicy,
  connect,
  DeliverPolicy,
  type JetStreamManager,
  nanos,
  RetentionPolicy,
  StorageType,
  type StreamInfo,
} from 'nats';
import { type NatsServerPlan, type Server, startNats, startNatsNetwork } from '../tools/local-services/index.ts';
import type { Link, Links } from './links.ts';

export const TOPOLOGIES = ['single', 'cluster', 'edge', 'gateway', 'leaf'] as const;

/**
 * `single`: one server. `cluster`: three with a stream on all of them, and a replica at each. In the others all replicas are
 * at an entry server, which leads to the stream: by routes to such a cluster (`edge`), by gateways to it (`gateway`), or as a
 * leaf node with a separate JetStream and a hub (`leaf`).
 */
export type Topology = (typeof TOPOLOGIES)[number];

export const STREAM = 'BETTERAUTH';
export const PREFIX = 'betterauth';

const READY_MS = 30_000;
const RETRY_MS = 100;
/** A leader must be elected for some answers. */
const ANSWER_MS = 3_000;
/** The time limit for an answer; a part that is silent for longer is broken. */
const WHOLE_MS = 500;

/** The NATS servers of a run. */
export interface NatsWorld {
  readonly topology: Topology;
  /** The servers of the stream. */
  readonly servers: readonly Server[];
  /** The server that all replicas connect to, where it is none of the stream's. */
  readonly entry: Server | null;
  /** The links between servers, each with the place in `servers` of those of its ends that are the stream's. */
  readonly between: readonly { readonly ends: readonly number[]; readonly link: Link }[];
  /** What replicas need to know besides `NATS_URL`. */
  readonly environment: Readonly<Record<string, string>>;
}

interface Shape {
  readonly servers: readonly NatsServerPlan[];
  readonly entry?: NatsServerPlan;
  readonly environment?: Readonly<Record<string, string>>;
}

const three = (cluster: string): readonly NatsServerPlan[] => ['s0', 's1', 's2'].map((name) => ({ name, cluster }));

const SHAPES: Readonly<Record<Exclude<Topology, 'single'>, Shape>> = {
  cluster: { servers: three('one') },
  edge: { servers: three('one'), entry: { name: 'entry', cluster: 'one', jetstream: false } },
  gateway: { servers: three('far'), entry: { name: 'entry', cluster: 'near', jetstream: false } },
  leaf: {
    servers: [{ name: 'hub', domain: 'hub' }],
    entry: { name: 'entry', domain: 'leaf', leafOf: 'hub' },
    environment: { NATS_JETSTREAM_DOMAIN: 'hub' },
  },
};

/**
 * Starts the servers of a topology, with the stream.
 * @param links Opens the links between servers; null for none.
 * @param stack Stops them.
 */
export async function startNatsWorld(
  topology: Topology,
  links: Links | null,
  stack: AsyncDisposableStack,
): Promise<NatsWorld> {
  const adopt = (server: Server): Server => stack.adopt(server, ({ stop }) => stop());
  if (topology === 'single') {
    const server = adopt(await startNats({ own: true }));
    return { topology, servers: [server], entry: null, between: [], environment: {} };
  }
  const { servers: plans, entry: entryPlan, environment = {} } = SHAPES[topology];
  const between: { readonly ends: readonly number[]; readonly link: Link }[] = [];
  const started = await startNatsNetwork(
    entryPlan === undefined ? plans : [...plans, entryPlan],
    async ({ from, to, port }) => {
      if (links === null) return port;
      const link = await links.open(port);
      between.push({ ends: [from, to].map((end) => plans.findIndex(({ name }) => name === end)), link });
      return link.port;
    },
  );
  started.forEach(adopt);
  const servers = started.slice(0, plans.length);
  const world = { topology, servers, entry: started[plans.length] ?? null, between, environment };
  // A replica that finds none makes one on a single server.
  await untilDone(() => withJetStream(world, (manager) => openStream(manager, topology)));
  await untilWhole(world, AbortSignal.timeout(READY_MS));
  return world;
}

/** The server that a replica connects to. */
export function serverOf({ servers, entry }: NatsWorld, replica: number): Server {
  const server = entry ?? servers[replica % servers.length];
  if (server === undefined) throw new Error('no NATS server');
  return server;
}

/** The servers of the stream, by their own addresses. */
export function urlsOf({ servers }: Pick<NatsWorld, 'servers'>): string[] {
  return servers.map(({ url }) => url);
}

/** Asks the servers of the stream, past all links. */
export async function withJetStream<T>(
  { servers }: NatsWorld,
  work: (manager: JetStreamManager) => Promise<T>,
): Promise<T> {
  return withManager(urlsOf({ servers }), { timeout: ANSWER_MS }, work);
}

/** Tries again until the work succeeds, for a server that an earlier fault has just released. Rejects after 30 s. */
export async function untilDone<T>(work: () => Promise<T>): Promise<T> {
  const deadline = performance.now() + READY_MS;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await delay(RETRY_MS);
    }
  }
}

/**
 * Resolves when a process at each server that replicas connect to could listen to the stream, all of whose servers are up to
 * date: links were made again, and leaders elected. Resolves at the signal at the latest.
 */
export async function untilWhole(world: NatsWorld, signal: AbortSignal): Promise<void> {
  const domain = world.environment['NATS_JETSTREAM_DOMAIN'];
  const options = { timeout: WHOLE_MS, ...(domain === undefined ? {} : { domain }) };
  const places = world.entry === null ? world.servers : [world.entry];
  await Promise.all(
    places.map(async ({ url }) => {
      while (!signal.aborted) {
        const whole = await withManager([url], options, canBeListenedTo).catch(() => false);
        if (whole) return;
        await delay(RETRY_MS, undefined, { signal }).catch(() => {});
      }
    }),
  );
}

/** The place of the stream's leader among the servers. */
export function leaderOf({ topology }: NatsWorld, { cluster }: StreamInfo): number {
  if (topology === 'single' || topology === 'leaf') return 0;
  const place = SHAPES[topology].servers.findIndex(({ name }) => name === cluster?.leader);
  if (place < 0) throw new Error('the stream has no leader');
  return place;
}

/** @returns The stream's state, after making it when it is missing, on three servers where there are three. */
export async function openStream(manager: JetStreamManager, topology: Topology) {
  const found = await manager.streams.info(STREAM).catch(() => null);
  if (found !== null) return found;
  // A replica may be faster.
  await makeStream(manager, topology).catch(() => {});
  return manager.streams.info(STREAM);
}

/** Makes the stream. Rejects when there is one that differs. */
export function makeStream(manager: JetStreamManager, topology: Topology) {
  return manager.streams.add({
    name: STREAM,
    subjects: [`${PREFIX}.>`],
    retention: RetentionPolicy.Limits,
    storage: StorageType.File,
    max_age: nanos(15 * 60_000),
    num_replicas: topology === 'single' || topology === 'leaf' ? 1 : 3,
  });
}

async function canBeListenedTo(manager: JetStreamManager): Promise<boolean> {
  const { cluster } = await manager.streams.info(STREAM);
  if (cluster?.replicas?.some(({ current, offline }) => !current || offline === true)) return false;
  const { name } = await manager.consumers.add(STREAM, {
    deliver_subject: '_INBOX.chaos',
    deliver_policy: DeliverPolicy.New,
    ack_policy: AckPolicy.None,
    inactive_threshold: nanos(1_000),
    mem_storage: true,
    num_replicas: 1,
  });
  return manager.consumers.delete(STREAM, name);
}

async function withManager<T>(
  servers: string[],
  options: { readonly timeout: number; readonly domain?: string },
  work: (manager: JetStreamManager) => Promise<T>,
): Promise<T> {
  const connection = await connect({ servers, reconnect: false, timeout: WHOLE_MS });
  try {
    return await work(await connection.jetstreamManager({ ...options, checkAPI: false }));
  } finally {
    await connection.close();
  }
}
