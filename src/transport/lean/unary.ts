/** The service's own methods: one message in, one message out. */
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { errorStatus } from '../../rpc/errors.ts';
import type { Dispatcher, Method, Outcome } from '../dispatch.ts';
import { Exchange } from './exchange.ts';
import { frameOf } from './framing.ts';
import { readOneMessage } from './one-message.ts';
import type { Serve } from './serve.ts';
import { errorTrailers } from './status.ts';

/** Serves a method by the dispatcher. */
export const serveUnary = (dispatcher: Dispatcher, method: Method): Serve => {
  // It came to no decoded call, so it took no time.
  const onRefused = (code: number): void => dispatcher.onRefused(method.name, code, 0);

  return (stream, headers) => {
    const exchange = new Exchange(stream, headers, onRefused);
    const answer = (outcome: Outcome): void => {
      if (!exchange.open) return;
      if (!outcome.ok) {
        exchange.end(errorTrailers(outcome.status));
        return;
      }
      let frame: Buffer;
      try {
        frame = frameOf(toBinary(method.output, outcome.response));
      } catch (error) {
        exchange.end(errorTrailers(errorStatus(error, dispatcher.onDefect)));
        return;
      }
      exchange.reply(frame);
    };
    readOneMessage(exchange, (message) => {
      // From here on the dispatcher counts.
      exchange.onRefused = null;
      const outcome = dispatcher.run(method, {
        header: (name) => exchange.header(name),
        setHeader: (name, value) => exchange.setMetadata(name, value),
        decode: () => fromBinary(method.input, message),
        endedAs: () => exchange.endedAs,
      });
      if (outcome instanceof Promise) void outcome.then(answer);
      else answer(outcome);
    });
  };
};
