/**
 * Services written for grpc-js, here health and reflection: their own implementations, on the lean door. Nobody waits for
 * them, so they are served in the simplest way.
 */
import { EventEmitter } from 'node:events';
import { status as Code, type MethodDefinition, type Server, type StatusObject } from '@grpc/grpc-js';
import { Exchange, type ExchangeObserver } from './exchange.ts';
import { FrameReader, frameOf } from './framing.ts';
import { readOneMessage } from './one-message.ts';
import type { Serve } from './serve.ts';
import { OK_TRAILERS, RefusedCall } from './status.ts';

/** Of a message, which is a name or two. Health is open to everybody: no more than that is held for a stranger. */
const MAX_GUEST_BYTES = 4_096;

type Definition = MethodDefinition<unknown, unknown>;
type Failure = Partial<StatusObject>;
/** How grpc-js calls the handler of a method: with a callback where the answer is one message. */
type Handler = (call: GuestCall, callback?: (failure: Failure | null, response?: unknown) => void) => void;

const refusal = ({ code, details, metadata }: Failure): RefusedCall =>
  new RefusedCall(code ?? Code.UNKNOWN, details ?? '', metadata?.toHttp2Headers());

/** What the handlers use of grpc-js's calls. */
class GuestCall extends EventEmitter {
  /** Not grpc-js's own, which writes what it cannot take, maybe a token, to stderr. */
  readonly metadata: { get(name: string): readonly string[] };
  request: unknown = undefined;
  cancelled = false;
  readonly #exchange: Exchange;
  readonly #definition: Definition;

  constructor(exchange: Exchange, definition: Definition) {
    super();
    this.metadata = {
      get: (name) => {
        const value = exchange.header(name);
        return value === undefined ? [] : [value];
      },
    };
    this.#exchange = exchange;
    this.#definition = definition;
    this.on('error', (failure: Failure) => exchange.fail(refusal(failure)));
    exchange.stream.on('close', () => {
      this.cancelled = true;
      this.emit('cancelled', 'cancelled');
    });
  }

  decode(message: Buffer): unknown {
    try {
      return this.#definition.requestDeserialize(message);
    } catch {
      throw new RefusedCall(Code.INVALID_ARGUMENT, 'The request is not a valid message of this method.');
    }
  }

  write(message: unknown): void {
    this.#exchange.write(frameOf(this.#definition.responseSerialize(message)));
  }

  end(): void {
    this.#exchange.end(OK_TRAILERS);
  }
}

/** Serves a method that takes a stream of messages. */
const readMany = (exchange: Exchange, call: GuestCall, handler: Handler): void => {
  const { stream } = exchange;
  const frames = new FrameReader(exchange.header('grpc-encoding'), MAX_GUEST_BYTES);
  let ended = false;
  /** Answers what has come, as far as the caller reads: a piece may hold hundreds of questions for 20 KB each. */
  const answer = (): void => {
    try {
      while (exchange.open && !stream.writableNeedDrain) {
        const message = frames.next();
        if (message !== null) call.emit('data', call.decode(message));
        else {
          if (ended) call.emit('end');
          return;
        }
      }
    } catch (error) {
      exchange.fail(error);
    }
  };
  handler(call);
  stream.on('data', (piece: Buffer) => {
    frames.push(piece);
    answer();
  });
  stream.on('drain', answer);
  stream.on('end', () => {
    ended = true;
    answer();
  });
};

/** The services, as a server that they can be added to. */
export interface GuestServices extends Pick<Server, 'addService'> {
  /** How to serve each path. */
  readonly paths: ReadonlyMap<string, Serve>;
  /** Ends the calls that would go on for ever, such as a watch of health. */
  end(): void;
}

/** Creates the list of services, empty. */
export const createGuestServices = (observer: ExchangeObserver): GuestServices => {
  const paths = new Map<string, Serve>();
  const streaming = new Set<Exchange>();

  const serve =
    (definition: Definition, handler: Handler): Serve =>
    (stream, headers) => {
      const exchange = new Exchange(stream, headers, observer);
      const call = new GuestCall(exchange, definition);
      if (definition.responseStream) {
        streaming.add(exchange);
        stream.on('close', () => streaming.delete(exchange));
      }
      if (definition.requestStream) {
        readMany(exchange, call, handler);
        return;
      }
      readOneMessage(
        exchange,
        (message) => {
          call.request = call.decode(message);
          handler(call, (failure, response) => {
            if (failure !== null) exchange.fail(refusal(failure));
            else exchange.reply(frameOf(definition.responseSerialize(response)));
          });
        },
        MAX_GUEST_BYTES,
      );
    };

  return {
    paths,
    addService: (service, implementation) => {
      for (const [name, definition] of Object.entries(service)) {
        const handler = implementation[name] ?? implementation[definition.originalName ?? ''];
        if (handler !== undefined) paths.set(definition.path, serve(definition, handler as unknown as Handler));
      }
    },
    end: () => {
      for (const exchange of streaming) {
        exchange.fail(new RefusedCall(Code.UNAVAILABLE, 'The service is stopping.'));
      }
    },
  };
};
