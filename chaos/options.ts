/** The command line of the chaos run. */
import { randomInt } from 'node:crypto';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { faultKinds } from './plan.ts';
import { TOPOLOGIES, type Topology } from './topology.ts';

export interface ChaosOptions {
  readonly seconds: number;
  /** Of the plan of faults and of every choice of writers and readers. */
  readonly seed: number;
  /** Where the figures go as JSON; null: nowhere. */
  readonly json: string | null;
  /** How the names of the faults begin that are made; empty: all of the topology's. */
  readonly only: string;
  /** Whether anything is broken at all; without faults the time from publish to the new answer is the service's own. */
  readonly faults: boolean;
  readonly topology: Topology;
  /** Calls a second of the readers. */
  readonly calls: number;
  /** Changes a second. */
  readonly events: number;
  /** Whether what holds for whole organizations is changed, too. */
  readonly organizations: boolean;
  /** The service's main file, for a changed copy of it; null: this repository's. */
  readonly service: string | null;
}

/** What `--help` prints. */
export const USAGE = `npm run chaos [-- OPTIONS]

  --seconds N      how long (60); every kind of fault occurs from 15 on
  --seed S         of the plan of faults and of all choices: the same seed, the same plan (by chance)
  --json FILE      writes the figures as JSON
  --topology NAME  how the NATS servers are joined (single):
                     single   one server
                     cluster  three servers with the stream on each, a replica at each
                     edge     such a cluster and a fourth server without JetStream, which the replicas connect to
                     gateway  such a cluster and a second one without JetStream, which the replicas connect to
                     leaf     a hub with the stream and a leaf node with a separate JetStream domain, which the replicas
                              connect to
  --only NAME      only the faults whose names begin so, such as route or redis-link-cut
  --no-faults      breaks nothing: for the time from a publish to the changed answer on every replica
  --calls N        calls a second of the readers (500)
  --events N       changes a second (20)
  --organizations  changes what holds for whole organizations also without faults
  --service FILE   the main file of a changed copy of the service, to see that its faults are found; or chaos/baseline.ts, what
                   the drivers alone take
`;

const whole = (name: string, text: string | undefined, fallback: number, min: number): number => {
  const value = text === undefined ? fallback : Number(text);
  if (!Number.isSafeInteger(value) || value < min) {
    throw new Error(`--${name} must be a whole number, at least ${min}.`);
  }
  return value;
};

const topologyOf = (name: string): Topology => {
  const found = TOPOLOGIES.find((topology) => topology === name);
  if (found === undefined) throw new Error(`--topology must be one of ${TOPOLOGIES.join(', ')}, not "${name}".`);
  return found;
};

/**
 * Reads the command line.
 * @returns null for `--help`.
 * @throws Error naming the option that cannot be used.
 */
export const parseOptions = (args: readonly string[]): ChaosOptions | null => {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seconds: { type: 'string' },
      seed: { type: 'string' },
      json: { type: 'string' },
      topology: { type: 'string', default: 'single' },
      only: { type: 'string', default: '' },
      'no-faults': { type: 'boolean', default: false },
      calls: { type: 'string' },
      events: { type: 'string' },
      organizations: { type: 'boolean', default: false },
      service: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return null;
  const topology = topologyOf(values.topology);
  const { only } = values;
  if (faultKinds(topology, only).length === 0) {
    throw new Error(`--only ${only} is none of the faults of ${topology}: ${faultKinds(topology).join(', ')}.`);
  }
  return {
    seconds: whole('seconds', values.seconds, 60, 1),
    seed: whole('seed', values.seed, randomInt(1_000_000), 0),
    json: values.json ?? null,
    faults: !values['no-faults'],
    topology,
    only,
    calls: whole('calls', values.calls, 500, 1),
    events: whole('events', values.events, 20, 1),
    organizations: values.organizations || !values['no-faults'],
    service: values.service === undefined ? null : resolve(values.service),
  };
};
