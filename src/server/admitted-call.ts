/** A call from its authentication to its answer: the steps of the pipeline. */
import type { Message } from '@bufbuild/protobuf';
import type { Evidence, KnownCaller } from '../callers/known-callers.ts';
import { AssentError, CallEnded } from '../errors.ts';
import type { Caller } from '../rpc/services.ts';
import type { EndTrace } from '../telemetry/traces.ts';
import type { CallContext, Outcome, Refusal, ResponseWriter } from './call-context.ts';
import { admitCaller, evidenceOf } from './caller-authentication.ts';
import { decoded } from './decoding.ts';
import { RefusedCall, statusOf } from './errors.ts';
import type { Method, StreamingMethod, UnaryMethod } from './methods.ts';
import { overloaded } from './overload/refusal.ts';
import type { PipelineOptions } from './pipeline-options.ts';
import { runStream } from './streaming-call.ts';

/** The time, in milliseconds, that a call waits for its connection's share: half of a client's usual deadline. */
const MAX_WAIT_MS = 500;

/** A call whose caller is authenticated. A class with its state in fields: a call that is answered at once makes no closure. */
export class Admitted<Kind extends Method> implements Caller {
  readonly ok = true;
  readonly #options: PipelineOptions;
  readonly #method: Kind;
  readonly #call: CallContext;
  #caller: KnownCaller | null = null;
  /** How the caller of a streaming call has authenticated. */
  #evidence: Evidence | null = null;
  /** Whether the call counts as one under way of its caller. */
  #counts = false;
  /** Whether the call was refused for its caller. */
  #refused = false;
  #began = 0;
  /** The time from its beginning to its answer, in milliseconds. */
  #ms = 0;
  #endTrace: EndTrace | null = null;
  #signal: AbortSignal | null = null;

  constructor(options: PipelineOptions, method: Kind, call: CallContext) {
    this.#options = options;
    this.#method = method;
    this.#call = call;
  }

  /** Aborted when the call ends before its answer. Made on demand: most answers come from memory and need none. */
  get signal(): AbortSignal {
    this.#signal ??= endOf(this.#call);
    return this.#signal;
  }

  /** The name of the caller; null where callers are not authenticated. */
  get name(): string | null {
    return this.#caller?.name ?? null;
  }

  /** @internal Null when the caller may call. */
  authenticate(): Refusal | null {
    const { connection } = this.#call;
    if (this.#method.open) {
      if (!connection.known || this.#method.kind !== 'unary') this.#recognize();
      return null;
    }
    try {
      const caller = this.#options.authenticate(this.#call);
      this.#caller = caller;
      if (connection.caller !== caller) connection.authenticated(caller, caller && evidenceOf(this.#call, caller));
      if (caller !== null && this.#method.kind !== 'unary') this.#evidence = evidenceOf(this.#call, caller);
      if (caller !== null && admitCaller(caller, this.#method.path)) this.#countUntilEnd();
      return null;
    } catch (error) {
      this.#refused = error instanceof AssentError;
      this.#begin();
      if (error instanceof AssentError) this.#options.onCallerRefused(this.name, this.#method.name, error.code);
      if (!connection.known) connection.refused();
      return this.#fail(error);
    }
  }

  /** Finds the caller of a call that is open to everyone, where it shows who it is. */
  #recognize(): void {
    const call = this.#call;
    if (call.header('authorization') === undefined && call.certificateNames().length === 0) return;
    try {
      const caller = this.#options.authenticate(call);
      this.#caller = caller;
      if (call.connection.caller !== caller) call.connection.authenticated(caller, caller && evidenceOf(call, caller));
      if (caller !== null && this.#method.kind !== 'unary') this.#evidence = evidenceOf(call, caller);
    } catch {
      // A stranger may make the call.
    }
  }

  /** Counts a call that its protocol refuses while the message comes. */
  onRefused(code: number, seconds = 0): void {
    this.#leave();
    if (!this.#method.observed) return;
    this.#options.onCall(this.#method.name, code, seconds);
    if (this.#caller !== null) this.#options.onCallerCall(this.#caller.name, code);
  }

  onDefect(error: unknown): void {
    this.#options.onDefect(error, { method: this.#method.name, caller: this.name });
  }

  /**
   * Runs a unary call: at once where its handler answers at once.
   * @param decode Decodes the request. It throws what the caller did wrong.
   * @param encode Makes of the response the bytes that the protocol sends. An error of it is a defect.
   */
  run<Answer>(
    this: Admitted<UnaryMethod>,
    decode: () => Message,
    encode: (response: Message) => Answer,
  ): Outcome<Answer> | Promise<Outcome<Answer>> {
    this.#begin();
    const { share } = this.#call.connection;
    if (!share.used || this.#method.open) return this.#runNow(decode, encode);
    return new Promise((resolve) => {
      share.later(() => {
        const error = this.#lateError();
        resolve(error === null ? this.#runNow(decode, encode) : this.#fail(error));
      });
    });
  }

  /** The error of a call that has waited, and is not to be answered. */
  #lateError(): Error | null {
    if (this.#call.endedAs() !== null) return new CallEnded();
    if (performance.now() - this.#began < MAX_WAIT_MS) return null;
    this.#options.onShed();
    return overloaded();
  }

  #runNow<Answer>(
    this: Admitted<UnaryMethod>,
    decode: () => Message,
    encode: (response: Message) => Answer,
  ): Outcome<Answer> | Promise<Outcome<Answer>> {
    try {
      this.#describe();
      const response = this.#method.handle(decoded(decode), this);
      if (response instanceof Promise) {
        return response.then(
          (late) => this.#succeed(late, encode),
          (error: unknown) => this.#fail(error),
        );
      }
      const outcome = this.#succeed(response, encode);
      this.#call.connection.share.worked(this.#ms);
      return outcome;
    } catch (error) {
      return this.#fail(error);
    }
  }

  /**
   * Opens a streaming call.
   * @returns Takes each request, by a function that decodes it.
   */
  open<Answer>(
    this: Admitted<StreamingMethod>,
    encode: (response: Message) => Answer,
    writer: ResponseWriter<Answer>,
  ): (decode: () => Message) => void {
    this.#begin();
    this.#describe();
    return runStream(this.#method, encode, writer, {
      ended: () => this.#count(0),
      failed: (error) => this.#fail(error),
      watch: (end) => this.#watch(end),
    });
  }

  /** Has the call ended by `end` once its caller may no longer make it. */
  #watch(end: (error: unknown) => void): () => void {
    const { openCalls, onCallerRefused } = this.#options;
    const [evidence, name] = [this.#evidence, this.name];
    if (evidence === null || name === null) return () => {};
    return openCalls.add({
      evidence,
      caller: name,
      path: this.#method.open ? null : this.#method.path,
      end: (error) => {
        onCallerRefused(name, this.#method.name, error.code);
        end(error);
      },
    });
  }

  #begin(): void {
    const { traceCall } = this.#options;
    this.#began = performance.now();
    if (traceCall !== null && this.#method.observed) {
      this.#endTrace = traceCall(this.#method.name, (header) => this.#call.header(header), this.name);
    }
  }

  #describe(): void {
    if (this.#call.header('assent-trace') !== '1') return;
    this.#call.setHeader('assent-replica', this.#options.replica);
    const { revision, takenAt } = this.#options.position();
    this.#call.setHeader('assent-position', revision);
    if (takenAt !== null) this.#call.setHeader('assent-position-taken-at', takenAt);
  }

  #succeed<Answer>(response: Message, encode: (response: Message) => Answer): Outcome<Answer> {
    let answer: Answer;
    try {
      answer = encode(response);
    } catch (error) {
      return this.#fail(error);
    }
    // After the encoding: a response that cannot be encoded is not sent as OK.
    this.#count(0);
    return { ok: true, answer };
  }

  #fail(error: unknown): Refusal {
    const status = statusOf(error, (defect) => this.onDefect(defect));
    this.#count(error instanceof RefusedCall ? error.countedAs : status.code);
    return { ok: false, status };
  }

  /** The call has no answer yet: it counts until it gets one, or is over without one. */
  #countUntilEnd(): void {
    this.#counts = true;
    this.#call.onClose(() => this.#leave());
  }

  #leave(): void {
    if (!this.#counts) return;
    this.#counts = false;
    this.#caller?.limits.end();
  }

  #count(code: number): void {
    this.#leave();
    if (!this.#method.observed) return;
    const ended = this.#call.endedAs() ?? code;
    this.#ms = performance.now() - this.#began;
    this.#options.onCall(this.#method.name, ended, this.#ms / 1_000);
    if (this.#caller !== null) this.#options.onCallerCall(this.#caller.name, ended);
    this.#endTrace?.(ended, this.#refused);
  }
}

function endOf(call: CallContext): AbortSignal {
  const ended = new AbortController();
  call.onEnd(() => ended.abort(new CallEnded()));
  return ended.signal;
}
