/** The parts that the pipeline gets: who may call, what it counts, and where it reports. */
import type { OpenCalls } from '../callers/open-calls.ts';
import type { TraceCall } from '../telemetry/traces.ts';
import type { CallerAuthentication } from './caller-authentication.ts';

export interface PipelineOptions {
  readonly authenticate: CallerAuthentication;
  /** Ends streaming calls whose callers may no longer make them. */
  readonly openCalls: OpenCalls;
  /** Names this process. */
  readonly replica: string;
  /**
   * For a call with `assent-trace: 1`: `epoch:sequence` of the events applied by now, and the moment (RFC 3339) of the last,
   * where it is known.
   */
  readonly position: () => { readonly revision: string; readonly takenAt: string | null };
  /** Counts a call: the method's name, the google.rpc.Code and the seconds that it took. */
  readonly onCall: (method: string, code: number, seconds: number) => void;
  /** Counts a call of a known caller. */
  readonly onCallerCall: (caller: string, code: number) => void;
  /** Reports a call that is refused for its caller, whose name is null for a call that did not authenticate. */
  readonly onCallerRefused: (caller: string | null, method: string, reason: string) => void;
  /** Counts a call that is refused since the process is asked for more than it can answer. */
  readonly onShed: () => void;
  /** Reports an error that is not the caller's. Its text never reaches the caller. */
  readonly onDefect: (error: unknown, call?: DefectiveCall) => void;
  /** Traces calls; null where no traces are wanted. */
  readonly traceCall: TraceCall | null;
}

/** The call of a defect. */
export interface DefectiveCall {
  readonly method: string;
  /** Null where callers are not authenticated. */
  readonly caller: string | null;
}
