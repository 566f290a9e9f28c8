/**
 * When a publisher connects, checks its connection, sends, waits and closes: a pure reducer. The shell around it
 * (publisher.ts) does what the effects say, and reports every result as the next input.
 *
 *     closed ──needed──▶ connecting ──opened──▶ open ──not needed, or ended──▶ closed
 *        ▲                   │ failed             │ a publish failed
 *        └──not needed── retrying ◀───────────────┘
 *
 * The connection is needed while events wait, and for `idleMs` after a request or a change.
 */

/**
 * A moment by both clocks: the monotonic one may stand still while a machine is suspended, the wall clock may be set back.
 * Both in milliseconds.
 */
export interface Moment {
  readonly monotonic: number;
  readonly wall: number;
}

export interface ConnectionState {
  readonly phase: 'closed' | 'connecting' | 'retrying' | 'open';
  /** The number of the latest connection. Inputs of an earlier one change nothing. */
  readonly connection: number;
  readonly everConnected: boolean;
  /** Faults since the last acknowledgement. The first is reported, and so is the end of them. */
  readonly faults: number;
  /** The later of the last change and the first fault (monotonic). */
  readonly patientFrom: number;
  /** The last request or change (monotonic); null when there is none since the last `rest`. */
  readonly usedAt: number | null;
  /** The last sign of life of the connection, or the last check of it. */
  readonly aliveAt: Moment;
  /** When the next attempt begins (monotonic); while `retrying`. */
  readonly retryAt: number;
}

/** What happened. */
export type Input =
  /** A request of the application began. */
  | { readonly kind: 'used' }
  /** Events were queued. */
  | { readonly kind: 'changed' }
  | { readonly kind: 'opened' }
  | { readonly kind: 'open failed'; readonly reason: string }
  /** `waited` events were not acknowledged until then, this one included. */
  | { readonly kind: 'acknowledged'; readonly waited: number }
  | { readonly kind: 'publish failed'; readonly connection: number; readonly reason: string }
  /** The server answered a PING in time, or did not. */
  | { readonly kind: 'checked'; readonly connection: number; readonly alive: boolean }
  | { readonly kind: 'ended'; readonly connection: number }
  | { readonly kind: 'timer' }
  /** The application wants the connection closed unless events wait. */
  | { readonly kind: 'rest' };

/** What the shell has to do, in this order. */
export type Effect =
  | { readonly kind: 'connect'; readonly connection: number }
  /** Send the events that are queued and not on their way. */
  | { readonly kind: 'send' }
  /** Ask the server for a PONG. */
  | { readonly kind: 'check'; readonly boundMs: number }
  | { readonly kind: 'close' }
  /** Queue a `resync`. */
  | { readonly kind: 'resync' }
  | { readonly kind: 'warn'; readonly line: string };

/** What an input happened in. */
export interface Context {
  readonly now: Moment;
  /** Events that are not acknowledged, after the input. */
  readonly waiting: number;
}

export interface Limits {
  /** The connection is closed after so long without a request or a change, in milliseconds. */
  readonly idleMs: number;
  /** Events that may wait; for the warning. */
  readonly bufferSize: number;
}

export interface Step {
  readonly state: ConnectionState;
  readonly effects: readonly Effect[];
}

const FIRST_RETRY_MS = 50;
const MAX_RETRY_MS = 2_000;
/** How often an unused connection is checked, and how long its answer may take. */
const CHECK_MS = 5_000;
/** A use checks a connection that was silent for so long: the process may have been frozen, and the server gone. */
const SILENT_MS = 2_000;
/** How long the answer to that check may take. */
const ANSWER_MS = 500;
/** How long events that cannot be published keep a process alive that has nothing else to do, from the last of them on. */
const PATIENCE_MS = 10_000;

/** The state of a publisher that was never used. */
export function initialState(now: Moment): ConnectionState {
  return {
    phase: 'closed',
    connection: 0,
    everConnected: false,
    faults: 0,
    patientFrom: 0,
    usedAt: null,
    aliveAt: now,
    retryAt: 0,
  };
}

/** The state after an input, and what to do. */
export function reduce(state: ConnectionState, input: Input, context: Context, limits: Limits): Step {
  const first = take(state, input, context, limits);
  const waiting = context.waiting + first.effects.filter(({ kind }) => kind === 'resync').length;
  const then = proceed(first.state, { ...context, waiting }, limits);
  return { state: then.state, effects: [...first.effects, ...then.effects] };
}

/** When the shell has to report `timer`, unless another input comes first; null when there is nothing to wait for. */
export function nextTimer(
  { phase, retryAt, patientFrom }: ConnectionState,
  { now, waiting }: Context,
  { idleMs }: Limits,
): { readonly inMs: number; readonly keepAlive: boolean } | null {
  if (phase === 'open') return { inMs: Math.min(CHECK_MS, idleMs), keepAlive: waiting > 0 };
  if (phase !== 'retrying') return null;
  return {
    inMs: Math.max(0, retryAt - now.monotonic),
    keepAlive: waiting > 0 && now.monotonic - patientFrom < PATIENCE_MS,
  };
}

/** What the input itself changes. */
function take(state: ConnectionState, input: Input, { now, waiting }: Context, limits: Limits): Step {
  switch (input.kind) {
    case 'used':
      return use(state, now);
    case 'changed':
      return use({ ...state, patientFrom: now.monotonic }, now);
    case 'opened': {
      const effects: readonly Effect[] = owesResync(state) ? [{ kind: 'resync' }] : [];
      return { state: { ...state, phase: 'open', everConnected: true, aliveAt: now }, effects };
    }
    case 'open failed':
      return fault({ ...state, phase: 'closed' }, input.reason, now, limits);
    case 'acknowledged': {
      const line = `events are published again (${input.waited} waited)`;
      return {
        state: { ...state, faults: 0, aliveAt: now },
        effects: state.faults > 0 ? [{ kind: 'warn', line }] : [],
      };
    }
    case 'publish failed': {
      // The other publishes of the connection fail with it.
      if (!isCurrent(state, input.connection)) return { state, effects: [] };
      const { state: next, effects } = fault({ ...state, phase: 'closed' }, input.reason, now, limits);
      return { state: next, effects: [...effects, { kind: 'close' }] };
    }
    case 'checked':
      if (!isCurrent(state, input.connection)) return { state, effects: [] };
      if (input.alive) return { state: { ...state, aliveAt: now }, effects: [] };
      // Not a fault: connections die while a process is frozen. Events on their way go out on the next one.
      return { state: { ...state, phase: 'closed' }, effects: [{ kind: 'close' }] };
    case 'ended':
      return { state: isCurrent(state, input.connection) ? { ...state, phase: 'closed' } : state, effects: [] };
    case 'rest':
      return { state: waiting > 0 ? state : { ...state, usedAt: null }, effects: [] };
    case 'timer':
      return { state, effects: [] };
  }
}

/** What follows from the state alone: connect, send, check, or close. */
function proceed(state: ConnectionState, context: Context, limits: Limits): Step {
  const { now } = context;
  if (!isNeeded(state, context, limits)) {
    // An attempt to connect cannot be taken back: its connection is closed once it is open.
    if (state.phase === 'connecting' || state.phase === 'closed') return { state, effects: [] };
    return { state: { ...state, phase: 'closed' }, effects: state.phase === 'open' ? [{ kind: 'close' }] : [] };
  }
  if (state.phase === 'connecting') return { state, effects: [] };
  if (state.phase === 'open') {
    const isSilent = since(state.aliveAt, now) >= CHECK_MS;
    return {
      state: isSilent ? { ...state, aliveAt: now } : state,
      effects: [{ kind: 'send' }, ...(isSilent ? [{ kind: 'check', boundMs: CHECK_MS } as const] : [])],
    };
  }
  if (state.phase === 'closed' && state.faults > 0) {
    const pauseMs = Math.min(FIRST_RETRY_MS * 2 ** Math.min(state.faults - 1, 10), MAX_RETRY_MS);
    return { state: { ...state, phase: 'retrying', retryAt: now.monotonic + pauseMs }, effects: [] };
  }
  // Requests and changes do not shorten the pause.
  if (state.phase === 'retrying' && now.monotonic < state.retryAt) return { state, effects: [] };
  const connection = state.connection + 1;
  return { state: { ...state, phase: 'connecting', connection }, effects: [{ kind: 'connect', connection }] };
}

/** A request or a change. It checks a connection that was silent. */
function use(state: ConnectionState, now: Moment): Step {
  const used = { ...state, usedAt: now.monotonic };
  if (state.phase !== 'open' || since(state.aliveAt, now) < SILENT_MS) return { state: used, effects: [] };
  return { state: { ...used, aliveAt: now }, effects: [{ kind: 'check', boundMs: ANSWER_MS }] };
}

function fault(state: ConnectionState, reason: string, now: Moment, { bufferSize }: Limits): Step {
  const faults = state.faults + 1;
  if (faults > 1) return { state: { ...state, faults }, effects: [] };
  const line = `events cannot be published (${reason}); up to ${bufferSize} wait in memory`;
  return { state: { ...state, faults, patientFrom: now.monotonic }, effects: [{ kind: 'warn', line }] };
}

function isNeeded(state: ConnectionState, { now, waiting }: Context, { idleMs }: Limits): boolean {
  if (waiting > 0) return true;
  return state.usedAt !== null && (owesResync(state) || now.monotonic - state.usedAt < idleMs);
}

/** NATS was away when the process began: a process before this one may have ended with events that it could not publish. */
function owesResync({ everConnected, faults }: ConnectionState): boolean {
  return !everConnected && faults > 0;
}

function isCurrent({ phase, connection }: ConnectionState, number: number): boolean {
  return phase === 'open' && connection === number;
}

function since(moment: Moment, now: Moment): number {
  return Math.max(now.monotonic - moment.monotonic, Math.abs(now.wall - moment.wall));
}
