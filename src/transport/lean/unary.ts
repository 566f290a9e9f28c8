/** The service's own methods: one message in, one message out. */
import { type Message, toBinary } from '@bufbuild/protobuf';
import { decodeRequest } from '../../rpc/decode.ts';
import type { Dispatcher, Method, Outcome } from '../dispatch.ts';
import { Exchange, type ExchangeObserver } from './exchange.ts';
import { frameOf } from './framing.ts';
import { readOneMessage } from './one-message.ts';
import type { Serve } from './serve.ts';
import { errorTrailers } from './status.ts';

/** Serves a method by the dispatcher. */
export const serveUnary = (dispatcher: Dispatcher, method: Method): Serve => {
  const observer: ExchangeObserver = {
    // It came to no decoded call, so it took no time.
    onRefused: (code) => dispatcher.onRefused(method.name, code, 0),
    onDefect: dispatcher.onDefect,
  };

  const encode = (response: Message): Buffer => frameOf(toBinary(method.output, response));

  return (stream, headers) => {
    const exchange = new Exchange(stream, headers, observer);
    const answer = (outcome: Outcome<Buffer>): void => {
      if (!exchange.open) return;
      if (outcome.ok) exchange.reply(outcome.answer);
      else exchange.end(errorTrailers(outcome.status));
    };
    // Its deadline may be malformed: then it has ended, and is counted.
    if (!exchange.open) return;
    const admitted = dispatcher.admit(method, {
      header: (name) => exchange.header(name),
      setHeader: (name, value) => exchange.setMetadata(name, value),
      endedAs: () => exchange.endedAs,
      onEnd: (listener) => exchange.onEnd(listener),
    });
    if (!admitted.ok) {
      answer(admitted);
      return;
    }
    readOneMessage(exchange, (message) => {
      exchange.handled();
      const outcome = dispatcher.run(admitted, () => decodeRequest(method.input, message), encode);
      if (outcome instanceof Promise) outcome.then(answer).catch((error: unknown) => exchange.fail(error));
      else answer(outcome);
    });
  };
};
