/** A streaming call from its opening to its end, of which there is one: by the handler, an error, the caller or its withdrawal. */
import type { Message } from '@bufbuild/protobuf';
import type { Refusal, ResponseWriter } from './call-context.ts';
import { decoded } from './decoding.ts';
import type { StreamingMethod } from './methods.ts';

/** What the pipeline does for the call. */
export interface StreamObserver {
  /** Counts a call that ended well, or whose caller left. */
  ended(): void;
  /** Counts a call that ended with an error. */
  failed(error: unknown): Refusal;
  /**
   * Watches whether the caller may still make the call, and ends it by `end`, at once where it may not.
   * @returns Ends the watch.
   */
  watch(end: (error: unknown) => void): () => void;
}

/**
 * Runs a streaming call.
 * @returns Takes each request, by a function that decodes it.
 */
export function runStream<Answer>(
  method: StreamingMethod,
  encode: (response: Message) => Answer,
  writer: ResponseWriter<Answer>,
  observer: StreamObserver,
): (decode: () => Message) => void {
  let over = false;
  const end = (refusal: Refusal | null): void => {
    if (over) return;
    over = true;
    if (refusal === null) observer.ended();
    writer.end(refusal);
  };
  const fail = (error: unknown): void => {
    if (!over) end(observer.failed(error));
  };
  const attempt = (step: () => void): void => {
    if (over) return;
    try {
      step();
    } catch (error) {
      fail(error);
    }
  };
  writer.onClose(() => {
    if (!over) observer.ended();
    over = true;
  });
  const unwatch = observer.watch(fail);
  if (over) return () => {};
  writer.onClose(unwatch);
  const receive = method.handle({
    send: (response) => attempt(() => writer.write(encode(response))),
    end: () => end(null),
    fail,
    onClose: (listener) => writer.onClose(listener),
  });
  return (decode) => attempt(() => receive(decoded(decode)));
}
