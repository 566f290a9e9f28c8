/** One connection to one address: its channel, its health, and whether it answers. */
import {
  Channel,
  type ChannelCredentials,
  type ChannelOptions,
  Metadata,
  type StatusObject,
  status,
} from '@grpc/grpc-js';

/** `ready`: the service said SERVING on it, or has no health service. */
type State = 'connecting' | 'ready' | 'not-serving' | 'closed';

export interface ConnectionEvents {
  /** It takes calls from now on. */
  usable(): void;
  /** It was lost, or could not be made. */
  lost(why: string): void;
}

const WATCH = '/grpc.health.v1.Health/Watch';
const CHECK = '/grpc.health.v1.Health/Check';
/** A HealthCheckRequest: field 1, the service's name. */
const SERVICE = 'assent.auth.v1.AuthService';
const REQUEST = Buffer.concat([Buffer.from([0x0a, SERVICE.length]), Buffer.from(SERVICE)]);
const SERVING = 1;
const CONNECT_MS = 2_000;
const PROBE_MS = 1_000;
const MIN_BACKOFF_MS = 100;
/** With its jitter under a second, so that a service that is back is used within one. */
const MAX_BACKOFF_MS = 800;
const BACKOFF_GROWTH = 1.6;

export class Connection {
  readonly target: string;
  inFlight = 0;
  channel: Channel;
  #state: State = 'connecting';
  #suspect = false;
  #backoffMs = MIN_BACKOFF_MS;
  #timer: NodeJS.Timeout | null = null;
  readonly #credentials: () => ChannelCredentials;
  readonly #options: ChannelOptions;
  readonly #events: ConnectionEvents;

  constructor(
    target: string,
    credentials: () => ChannelCredentials,
    options: ChannelOptions,
    events: ConnectionEvents,
  ) {
    this.target = target;
    this.#credentials = credentials;
    this.#options = options;
    this.#events = events;
    this.channel = new Channel(target, credentials(), options);
    this.#watch();
  }

  /** Whether it may get a call. */
  get usable(): boolean {
    return this.#state === 'ready' && !this.#suspect;
  }

  /** It left an attempt unanswered: it gets no call until it answers a probe or its health watch. */
  suspect(): void {
    if (this.#suspect || this.#state !== 'ready') return;
    this.#suspect = true;
    this.#probe(this.channel);
  }

  /** Calls under way end by themselves. */
  close(): void {
    this.#state = 'closed';
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.channel.close();
  }

  #watch(): void {
    const { channel } = this;
    const deadline = setTimeout(() => this.#ended(channel, 'the connection was not made in time'), CONNECT_MS);
    const call = channel.createCall(WATCH, Number.POSITIVE_INFINITY, null, null, null);
    call.start(new Metadata(), {
      onReceiveMetadata: () => {},
      onReceiveMessage: (message: Uint8Array | null) => {
        clearTimeout(deadline);
        if (this.channel !== channel || message === null) return;
        this.#said(servingOf(message) ? 'ready' : 'not-serving');
        call.startRead();
      },
      onReceiveStatus: ({ code, details }: StatusObject) => {
        clearTimeout(deadline);
        if (this.channel !== channel) return;
        // A server without a health service serves while it is connected.
        if (code === status.UNIMPLEMENTED) this.#said('ready');
        else this.#ended(channel, details);
      },
    });
    call.sendMessageWithContext({}, REQUEST);
    call.startRead();
    call.halfClose();
  }

  #said(state: 'ready' | 'not-serving'): void {
    if (this.#state === 'closed') return;
    this.#state = state;
    this.#suspect = false;
    this.#backoffMs = MIN_BACKOFF_MS;
    if (state === 'ready') this.#events.usable();
  }

  #ended(channel: Channel, why: string): void {
    if (this.#state === 'closed' || this.channel !== channel || this.#timer !== null) return;
    this.#state = 'connecting';
    this.#suspect = false;
    const wait = this.#backoffMs * (0.8 + 0.4 * Math.random());
    this.#backoffMs = Math.min(MAX_BACKOFF_MS, this.#backoffMs * BACKOFF_GROWTH);
    this.#timer = setTimeout(() => {
      this.#timer = null;
      // A new channel dials at once. The old one ends when its calls have ended.
      this.channel = new Channel(this.target, this.#credentials(), this.#options);
      channel.close();
      this.#watch();
    }, wait);
    this.#events.lost(why);
  }

  #probe(channel: Channel): void {
    if (this.channel !== channel || !this.#suspect || this.#state === 'closed') return;
    const call = channel.createCall(CHECK, Date.now() + PROBE_MS, null, null, null);
    call.start(new Metadata(), {
      onReceiveMetadata: () => {},
      onReceiveMessage: () => {},
      onReceiveStatus: ({ code }: StatusObject) => {
        if (this.channel !== channel || !this.#suspect || this.#state === 'closed') return;
        if (code === status.DEADLINE_EXCEEDED || code === status.UNAVAILABLE) {
          setTimeout(() => this.#probe(channel), code === status.UNAVAILABLE ? MIN_BACKOFF_MS : 0);
          return;
        }
        this.#suspect = false;
        if (this.#state === 'ready') this.#events.usable();
      },
    });
    call.sendMessageWithContext({}, REQUEST);
    call.startRead();
    call.halfClose();
  }
}

/** A HealthCheckResponse has one field, the status as a varint. */
function servingOf(message: Uint8Array): boolean {
  return message[0] === 0x08 && message[1] === SERVING;
}
