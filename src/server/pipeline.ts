/**
 * The call pipeline. Every call of every protocol passes these steps; each check is written in one place:
 *
 *   authenticate -> trace -> decode -> handle -> encode -> count
 *
 * {@link Pipeline.admit} authenticates the caller, and applies its methods and limits, by the headers alone, before anything of
 * the message is kept. Only it makes an {@link AdmittedCall}, and only an admitted call can run (`admitted-call.ts`).
 */
import { Admitted } from './admitted-call.ts';
import type { CallContext, Refusal } from './call-context.ts';
import { keepIllFormedText } from './decoding.ts';
import type { Method } from './methods.ts';
import type { PipelineOptions } from './pipeline-options.ts';

export interface Pipeline {
  /** Authenticates the caller and applies its methods and limits. A refusal is counted and ends the call. */
  admit<Kind extends Method>(method: Kind, call: CallContext): AdmittedCall<Kind> | Refusal;
  /** Counts a call that a protocol refused by itself, before it was admitted or while its message came. */
  refused(method: Method, code: number, seconds: number): void;
  readonly onDefect: PipelineOptions['onDefect'];
}

/** Creates the pipeline. */
export function createPipeline(options: PipelineOptions): Pipeline {
  keepIllFormedText();
  return {
    admit: (method, call) => {
      const admitted = new Admitted(options, method, call);
      return admitted.authenticate() ?? admitted;
    },
    refused: (method, code, seconds) => {
      if (method.observed) options.onCall(method.name, code, seconds);
    },
    onDefect: options.onDefect,
  };
}

/** The type without its constructor: {@link Pipeline.admit} alone makes one. */
export type AdmittedCall<Kind extends Method> = Admitted<Kind>;
