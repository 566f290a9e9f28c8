/** The JetStream stream of events: created when it is missing, checked when it is there. */
import { type JetStreamManager, NatsError, nanos, RetentionPolicy, StorageType, type StreamInfo } from 'nats';
import { eventNames } from './subjects.ts';

/** Which stream, and how it is created. */
export interface StreamOptions {
  readonly stream: string;
  readonly prefix: string;
  /** The JetStream domain of the requests; null for the one that the server answers for. */
  readonly domain: string | null;
  /** The JetStream domain of the server itself; null where it has none. */
  readonly localDomain: string | null;
  /** How long a new stream keeps messages, in milliseconds. */
  readonly maxAgeMs: number;
}

/** JetStream's error codes. */
const STREAM_NOT_FOUND = 10059;
const STREAM_NAME_IN_USE = 10058;
/** The longest duplicate window of a new stream, in milliseconds: an id that is published again within it is dropped. */
const MAX_DUPLICATE_WINDOW_MS = 120_000;

/**
 * The state of the stream, after creating it when there is none. It is never created in a domain that no setting names: a
 * leaf node with its own JetStream would keep, and acknowledge, a stream that no other program reads.
 * @throws as {@link checkStream} does.
 */
export async function openStream(
  manager: JetStreamManager,
  { stream: name, prefix, domain, localDomain, maxAgeMs }: StreamOptions,
): Promise<StreamInfo> {
  const info = await manager.streams.info(name).catch(async (error: unknown) => {
    if (apiCode(error) !== STREAM_NOT_FOUND) throw error;
    if (domain === null && localDomain !== null) {
      throw new Error(
        `there is no stream ${name} in the JetStream domain "${localDomain}" of this NATS server: set NATS_JETSTREAM_DOMAIN (the option "domain" of the plugin) to the domain that publishers publish to, so that it is not made where they do not`,
      );
    }
    const config = {
      name,
      subjects: [`${prefix}.>`],
      retention: RetentionPolicy.Limits,
      storage: StorageType.File,
      max_age: nanos(maxAgeMs),
      duplicate_window: nanos(Math.min(MAX_DUPLICATE_WINDOW_MS, maxAgeMs)),
    };
    return manager.streams.add(config).catch((failed: unknown) => {
      // Another process was faster, with other settings.
      if (apiCode(failed) === STREAM_NAME_IN_USE) return manager.streams.info(name);
      throw failed;
    });
  });
  checkStream(info, prefix);
  return info;
}

/**
 * Checks that a stream takes every event of the contract under its own name. Cheap: a reader repeats it with every liveness
 * check, since a stream can be changed at any time.
 * @throws when it does not: events would be lost in silence.
 */
export function checkStream({ config, state }: StreamInfo, prefix: string): void {
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
  // Beyond this, JavaScript rounds two sequences to one, and the second message would count as applied with the first.
  if (!Number.isSafeInteger(state.last_seq)) {
    throw new Error(
      `the stream ${name} counts beyond ${Number.MAX_SAFE_INTEGER}: make it anew with a lower first number`,
    );
  }
}

/** Whether a NATS subject pattern (`*` one token, `>` the rest) covers a subject. */
export function covers(pattern: string, subject: string): boolean {
  const patternTokens = pattern.split('.');
  const tokens = subject.split('.');
  for (const [index, token] of patternTokens.entries()) {
    if (token === '>') return tokens.length > index;
    if (index >= tokens.length || (token !== '*' && token !== tokens[index])) return false;
  }
  return patternTokens.length === tokens.length;
}

function apiCode(error: unknown): number | undefined {
  return error instanceof NatsError ? error.api_error?.err_code : undefined;
}
