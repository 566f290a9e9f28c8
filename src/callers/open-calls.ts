/** The streaming calls of known callers that are open. A call ends when its caller could not begin it any more. */
import { AssentError } from '../errors.ts';
import type { Evidence, KnownCallers } from './known-callers.ts';

/** A streaming call. */
export interface OpenCall {
  /** How its caller has authenticated. */
  readonly evidence: Evidence;
  /** The name of its caller. */
  readonly caller: string;
  /** `/package.Service/Method`; null for a method that is open to everyone. */
  readonly path: string | null;
  /** Ends the call. */
  end(error: AssentError): void;
}

export interface OpenCalls {
  /**
   * Adds a call, or ends it at once where its caller may no longer make it.
   * @returns Takes the call out when it is over.
   */
  add(call: OpenCall): () => void;
  /** Calls `listener` at each review, with a test of whether a caller still authenticates by this. */
  onReview(listener: (holds: (evidence: Evidence) => boolean) => void): void;
  /** Ends the calls that their callers may no longer make. */
  review(): void;
}

/** Creates the set of open calls. */
export function createOpenCalls(callers: () => KnownCallers, now: () => number): OpenCalls {
  const open = new Set<OpenCall>();
  const listeners: Parameters<OpenCalls['onReview']>[0][] = [];
  return {
    add: (call) => {
      open.add(call);
      reviewOne(call);
      return () => open.delete(call);
    },
    onReview: (listener) => {
      listeners.push(listener);
    },
    review: () => {
      for (const call of open) reviewOne(call);
      const [current, moment] = [callers(), now()];
      for (const listener of listeners) listener((evidence) => current.byEvidence(evidence, moment) !== null);
    },
  };

  function reviewOne(call: OpenCall): void {
    const error = refusalOf(call, callers(), now());
    if (error === null) return;
    open.delete(call);
    call.end(error);
  }
}

function refusalOf({ evidence, caller, path }: OpenCall, callers: KnownCallers, now: number): AssentError | null {
  if (path === null) {
    // Everyone may make the call. It goes on while its caller is known, also by another token than the one that it began with.
    return callers.isKnown(caller, now) ? null : unauthenticated();
  }
  const known = callers.byEvidence(evidence, now);
  if (known === null || known.name !== caller) return unauthenticated();
  if (known.mayCall(path)) return null;
  return new AssentError('CALLER_METHOD_NOT_ALLOWED', 'The caller may no longer call this method.');
}

function unauthenticated(): AssentError {
  return new AssentError(
    'CALLER_UNAUTHENTICATED',
    'The caller is no longer known by what it authenticated with: its token has expired, or the callers have changed.',
  );
}
