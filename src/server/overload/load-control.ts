/**
 * Decides for each call on HTTP/2 whether the process can answer it in time, and holds connections while it cannot. `turns.ts`
 * measures, `shares.ts` decides; this file knows the event loop, the clock and SETTINGS. A process has one for all its addresses.
 */
import type { Http2Session, IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import type { Peer } from './peer.ts';
import { refuse } from './refusal.ts';
import { Shares } from './shares.ts';
import { Turns } from './turns.ts';

export interface LoadControlOptions {
  /** The number of streams that a client may have open on a connection. */
  readonly maxStreams: number;
  /** Reports a call that is refused. */
  readonly onShed: () => void;
}

export interface LoadControl {
  /** Takes in a connection, until it closes. */
  add(session: Http2Session): Peer<Http2Session>;
  /** Lets a connection open as many streams as its limit says. */
  open(peer: Peer<Http2Session>): void;
  /** Counts a call of a connection. @returns Whether it can be answered in time. */
  admit(peer: Peer<Http2Session>): boolean;
  /** Refuses a call. */
  shed(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void;
  /** The number of connections that may open no stream. */
  held(): number;
}

/** The time between two looks at held connections, in milliseconds. */
const TICK_MS = 100;

/** Creates the control of one process. */
export function createLoadControl({ maxStreams, onShed }: LoadControlOptions): LoadControl {
  const turns = new Turns();
  const shares = new Shares<Http2Session>(maxStreams);
  let timer: NodeJS.Timeout | null = null;

  const look = (): void => {
    announce(shares.tick(performance.now()), shares);
    if (shares.active || timer === null) return;
    clearInterval(timer);
    timer = null;
  };
  const measured = (): void => turns.measured();
  const endTurn = (): void => {
    const now = performance.now();
    turns.end(now);
    const age = turns.age(now);
    const { growing, arrivalMs, capacity } = turns;
    announce(shares.endTurn({ now, age, late: turns.isLate(now), growing, arrivalMs, capacity }, measured), shares);
    if (shares.active) timer ??= setInterval(look, TICK_MS).unref();
  };
  return {
    add: (session) => {
      const peer = shares.add(session, performance.now());
      session.once('close', () => shares.remove(peer));
      return peer;
    },
    open: (peer) => tell(peer, shares),
    admit: (peer) => {
      if (!turns.running) {
        turns.begin(performance.now(), performance.nodeTiming.idleTime);
        setImmediate(endTurn);
      }
      turns.calls += 1;
      if (turns.due) turns.look(performance.now());
      shares.count(peer);
      // One stall is no overload: its calls are late, and are answered.
      return !peer.draining && !(turns.late && shares.refusing);
    },
    shed: (stream, headers) => {
      turns.refused();
      onShed();
      refuse(stream, headers);
    },
    held: () => shares.held,
  };
}

/** Sends connections their limits. */
function announce(peers: readonly Peer<Http2Session>[], shares: Shares<Http2Session>): void {
  for (const peer of peers) tell(peer, shares);
}

/** Sends a connection its limit; one frame at a time, since Node ends a connection with ten that are not acknowledged. */
function tell(peer: Peer<Http2Session>, shares: Shares<Http2Session>): void {
  const { connection, limit } = peer;
  if (peer.telling || connection.destroyed || connection.closed) return;
  peer.telling = true;
  connection.settings({ maxConcurrentStreams: limit }, (_error, _settings, tookMs) => {
    peer.telling = false;
    if (peer.limit === limit) shares.acknowledged(peer, performance.now(), tookMs);
    else tell(peer, shares);
  });
}
