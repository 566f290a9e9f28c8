/** The JetStream stream of events: made when it is missing, looked over when it is there. */
import {
  type JetStreamManager,
  type NatsConnection,
  NatsError,
  nanos,
  RetentionPolicy,
  StorageType,
  type StreamInfo,
} from 'nats';
import { covers, eventNames } from './subjects.ts';

const STREAM_NOT_FOUND = 10059;
const STREAM_NAME_IN_USE = 10058;

const apiCode = (error: unknown): number | undefined =>
  error instanceof NatsError ? error.api_error?.err_code : undefined;

/**
 * Looks whether events can be heard on a stream. Cheap, and done at every proof: a stream can be changed at any time.
 * @throws when it does not take every event of the contract under its own name: they would be lost in silence.
 */
export const checkStream = ({ config, state }: StreamInfo, prefix: string): void => {
  const { name, subjects = [], mirror, subject_transform: renamed } = config;
  if (mirror !== undefined) {
    throw new Error(
      `the stream ${name} is a mirror, behind what publishers have acknowledged: name the stream "${mirror.name}"`,
    );
  }
  const events = eventNames.map((event) => `${prefix}.${event}`);
  const missing = events.filter((event) => !subjects.some((pattern) => covers(pattern, event)));
  if (missing.length > 0) {
    throw new Error(`the stream ${name} does not take ${missing.join(', ')}: add "${prefix}.>" to its subjects`);
  }
  if (renamed !== undefined && events.some((event) => covers(renamed.src || '>', event))) {
    throw new Error(
      `the stream ${name} renames "${renamed.src}" to "${renamed.dest}", so that events are not known: end that`,
    );
  }
  // Two numbers beyond would be one here, and the second message taken for heard with the first.
  if (!Number.isSafeInteger(state.last_seq)) {
    throw new Error(
      `the stream ${name} counts beyond ${Number.MAX_SAFE_INTEGER}: make it anew with a lower first number`,
    );
  }
};

/** Which stream, and how it is made. */
export interface StreamOptions {
  readonly stream: string;
  readonly prefix: string;
  /** The JetStream domain that is asked; null for the one that the server answers for. */
  readonly domain: string | null;
  /** The JetStream domain of the server itself; null where it has none. */
  readonly localDomain: string | null;
  /** How long a new stream keeps messages. */
  readonly maxAgeMs: number;
}

/** The JetStream domain of the server at the other end; the client's types leave it out. */
export const localDomainOf = ({ info }: NatsConnection): string | null =>
  (info as { readonly domain?: string } | undefined)?.domain ?? null;

/**
 * The stream's state, after creating it when there is none. It is never created in a domain that no setting names: a leaf
 * node with a JetStream of its own would keep, and acknowledge, a stream that the publishers know nothing about.
 * @throws as {@link checkStream} does.
 */
export const openStream = async (
  manager: JetStreamManager,
  { stream: name, prefix, domain, localDomain, maxAgeMs }: StreamOptions,
): Promise<StreamInfo> => {
  const info = await manager.streams.info(name).catch(async (error: unknown) => {
    if (apiCode(error) !== STREAM_NOT_FOUND) throw error;
    if (domain === null && localDomain !== null) {
      throw new Error(
        `there is no stream ${name} in the JetStream domain "${localDomain}" of this NATS server: set NATS_JETSTREAM_DOMAIN to the domain that publishers publish to, so that it is not made where they do not`,
      );
    }
    const config = {
      name,
      subjects: [`${prefix}.>`],
      retention: RetentionPolicy.Limits,
      storage: StorageType.File,
      max_age: nanos(maxAgeMs),
      duplicate_window: nanos(Math.min(120_000, maxAgeMs)),
    };
    return manager.streams.add(config).catch((failed: unknown) => {
      // Another replica was faster.
      if (apiCode(failed) === STREAM_NAME_IN_USE) return manager.streams.info(name);
      throw failed;
    });
  });
  checkStream(info, prefix);
  return info;
};

/**
 * How long before its answer a leader may have been replaced without knowing. Cut off from the others it goes on answering
 * for half a minute and more, while they have made another one that acknowledges events. None was made before a majority of
 * them, itself included, last answered it.
 */
export const leaderDoubtMs = ({ cluster }: Pick<StreamInfo, 'cluster'>): number => {
  const others = cluster?.replicas ?? [];
  const silences = others
    // No time at all is that of one that never answered, unless it did just now.
    .map(({ active, current, offline }) =>
      offline === true || (active === 0 && !current) ? Number.POSITIVE_INFINITY : active,
    )
    .sort((one, other) => one - other);
  const needed = Math.floor((others.length + 1) / 2);
  return (needed === 0 ? 0 : (silences[needed - 1] ?? Number.POSITIVE_INFINITY)) / 1_000_000;
};

/** What it means that nobody responds to a request to JetStream, and what to look at. */
export const NO_RESPONDERS =
  'JetStream does not answer at this NATS server: the server has none and no way to one that has, the account has none (enable it for the account), or it has a domain of its own (NATS_JETSTREAM_DOMAIN)';
