import { startNats } from './nats.ts';
import { freePort } from './ports.ts';
import type { Server } from './server.ts';

/** One server of a network. */
export interface NatsServerPlan {
  readonly name: string;
  /** Servers of one cluster have routes to each other, and clusters have gateways to each other. */
  readonly cluster?: string;
  /** The server that this one is a leaf node of. */
  readonly leafOf?: string;
  /** On by default. */
  readonly jetstream?: boolean;
  /** JetStream's domain. */
  readonly domain?: string;
}

/** A connection that one server of a network makes to another. */
export interface NatsLink {
  readonly from: string;
  readonly to: string;
  /** The port of 127.0.0.1 on which the other one listens. */
  readonly port: number;
}

/** Leads a connection another way: returns the port of a proxy to the link's port. */
export type NatsLinkOpener = (link: NatsLink) => Promise<number>;

/**
 * Starts NATS servers that lead to each other; they find out within 3 s that a link died without a word. JetStream of a
 * cluster elects its leaders after this resolves, which takes some seconds.
 * @param openLink Called for each connection between two servers, which is then made to the port that it returns; for all of
 * them again, with other ports, when another process took one.
 * @returns The servers in the order of their plans.
 * @throws ServiceUnavailable
 */
export async function startNatsNetwork(
  plans: readonly NatsServerPlan[],
  openLink: NatsLinkOpener = async ({ port }) => port,
): Promise<readonly Server[]> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await startAll(plans, openLink);
    } catch (error) {
      if (attempt === 5 || !(error instanceof Error) || !/address already in use/i.test(error.message)) {
        throw error;
      }
    }
  }
}

async function startAll(plans: readonly NatsServerPlan[], openLink: NatsLinkOpener): Promise<readonly Server[]> {
  // All at once: none is listened on yet, and another one must not be given the same.
  const ports = new Set<number>();
  while (ports.size < 4 * plans.length + 1) {
    ports.add(await freePort());
  }
  const [nowhere = 0, ...rest] = ports;
  const places = plans.map((plan, index): Place => {
    const [client = 0, route = 0, gateway = 0, leaf = 0] = rest.slice(4 * index);
    return { plan, client, route, gateway, leaf };
  });
  const starting = places.map(async (place) => {
    const open = async (to: Place, kind: LinkKind): Promise<string> =>
      `"nats://127.0.0.1:${await openLink({ from: place.plan.name, to: to.plan.name, port: to[kind] })}"`;
    const config = await configOf(place, places, nowhere, open);
    return startNats({ jetstream: place.plan.jetstream ?? true, port: place.client, config });
  });
  const settled = await Promise.allSettled(starting);
  const failed = settled.find((result) => result.status === 'rejected');
  const servers = settled.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  if (failed === undefined) {
    return servers;
  }
  await Promise.all(servers.map((server) => server.stop()));
  throw failed.reason;
}

type LinkKind = 'route' | 'gateway' | 'leaf';

/** A server and the ports on which it listens to clients and to other servers. */
type Place = { readonly plan: NatsServerPlan; readonly client: number } & Readonly<Record<LinkKind, number>>;

async function configOf(
  place: Place,
  places: readonly Place[],
  nowhere: number,
  open: (to: Place, kind: LinkKind) => Promise<string>,
): Promise<string> {
  const { name, cluster, leafOf, domain } = place.plan;
  const openAll = async (to: readonly Place[], kind: LinkKind): Promise<string> =>
    `[${(await Promise.all(to.map((other) => open(other, kind)))).join(', ')}]`;
  // Servers advertise addresses to each other, and such a connection would bypass the links. No process listens there.
  const listen = (port: number): string => `listen: "127.0.0.1:${port}", advertise: "127.0.0.1:${nowhere}"`;
  const lines = [`server_name: "${name}"`, 'ping_interval: "1s"', 'ping_max: 2'];
  if (domain !== undefined) {
    lines.push(`jetstream { domain: "${domain}" }`);
  }
  if (cluster !== undefined) {
    const others = places.filter((other) => other !== place && other.plan.cluster === cluster);
    lines.push(
      `cluster { name: "${cluster}", ${listen(place.route)}, no_advertise: true, routes: ${await openAll(others, 'route')} }`,
    );
    const gateways = await Promise.all(
      [...Map.groupBy(places, ({ plan }) => plan.cluster)]
        .filter(([far]) => far !== undefined && far !== cluster)
        .map(async ([far, members]) => `{ name: "${far}", urls: ${await openAll(members, 'gateway')} }`),
    );
    if (gateways.length > 0) {
      lines.push(`gateway { name: "${cluster}", ${listen(place.gateway)}, gateways: [${gateways.join(', ')}] }`);
    }
  }
  const hub = places.find(({ plan }) => plan.name === leafOf);
  if (hub !== undefined) {
    lines.push(`leafnodes { remotes: [{ url: ${await open(hub, 'leaf')} }] }`);
  } else if (places.some(({ plan }) => plan.leafOf === name)) {
    lines.push(`leafnodes { ${listen(place.leaf)} }`);
  }
  return `${lines.join('\n')}\n`;
}
