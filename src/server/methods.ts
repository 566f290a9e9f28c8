/** The methods of all services in the form that the servers use: path, messages, handler and rules. */
import type { DescMessage, DescService, Message } from '@bufbuild/protobuf';
import { MethodOptions_IdempotencyLevel } from '@bufbuild/protobuf/wkt';
import type { Caller } from '../rpc/services.ts';
import { MAX_MESSAGE_BYTES } from './limits.ts';

/** The rules of a service. */
export interface ServiceRules {
  /** Whether callers need no authentication. */
  readonly open: boolean;
  /** Whether calls are counted and traced. */
  readonly observed: boolean;
  /** The largest request. */
  readonly maxRequestBytes: number;
}

interface MethodBase extends ServiceRules {
  /** `/package.Service/Method`. */
  readonly path: string;
  readonly name: string;
  readonly input: DescMessage;
  readonly output: DescMessage;
  /** Whether the method may be called by GET. */
  readonly safe: boolean;
}

/** A method with one request and one response. */
export interface UnaryMethod extends MethodBase {
  readonly kind: 'unary';
  /** Answers at once where it can. It throws, or rejects with, an error that `statusOf` knows. */
  readonly handle: (request: Message, caller: Caller) => Message | Promise<Message>;
}

/** The responses of a streaming call, for its handler. */
export interface Responses {
  send(response: Message): void;
  end(): void;
  fail(error: unknown): void;
  /** Calls back once the call is over. */
  onClose(listener: () => void): void;
}

/** A method with a stream of responses, and one request or a stream of them. */
export interface StreamingMethod extends MethodBase {
  readonly kind: 'server_streaming' | 'bidi_streaming';
  /** Begins a call; returns the receiver of its requests. */
  readonly handle: (responses: Responses) => (request: Message) => void;
}

export type Method = UnaryMethod | StreamingMethod;

/** The rules of the API's own services. */
export const API_RULES: ServiceRules = { open: false, observed: true, maxRequestBytes: MAX_MESSAGE_BYTES };

/**
 * The methods of a service with their handlers.
 * @param handlers By the method's local name; each has the type that the method's kind wants.
 * @throws when a method has no handler, or streams requests only.
 */
export function methodsOf(
  service: DescService,
  handlers: Readonly<Record<string, unknown>>,
  rules: ServiceRules,
): readonly Method[] {
  return service.methods.map(({ methodKind: kind, name, localName, input, output, idempotency }): Method => {
    const handle = handlers[localName];
    const safe = idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS;
    const base = { ...rules, path: `/${service.typeName}/${name}`, name, input, output, safe };
    if (typeof handle !== 'function') throw new Error(`no handler for ${name}`);
    if (kind === 'client_streaming') throw new Error(`${name} streams requests only, which no server here takes`);
    if (kind === 'unary') return { ...base, kind, handle: handle as UnaryMethod['handle'] };
    return { ...base, kind, handle: handle as StreamingMethod['handle'] };
  });
}
