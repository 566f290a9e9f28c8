/**
 * Requests of HTTP/1.1 whose length can be read in two ways, with a second request hidden in the body. An answer to the hidden
 * request shows that the service reads the length otherwise than a proxy in front of it may.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { http1Request } from '../requests.ts';
import type { Attack } from '../scenario.ts';
import { attackInLanes } from '../wire.ts';

const CONNECTIONS = 20;
const ANSWER_MS = 300;
/** `/livez` answers 200 to everyone; the outer request is for a path that answers 404. */
const HIDDEN = http1Request('GET', '/livez').toString('latin1');
const OUTER = 'POST /nothing HTTP/1.1\r\nhost: localhost\r\n';
const CHUNKED_END = '0\r\n\r\n';

/** Each form is refused, or its whole body is read as a body. */
const FORMS: readonly string[] = [
  both('transfer-encoding: chunked'),
  both('Transfer-Encoding: chunked, identity'),
  both('transfer-encoding: identity, chunked'),
  both('transfer-encoding:\tchunked'),
  both('transfer-encoding : chunked'),
  both('transfer-encoding: xchunked'),
  both(' transfer-encoding: chunked'),
  both('x: y\r\n transfer-encoding: chunked'),
  both('x: y\ntransfer-encoding: chunked'),
  both('transfer-encoding: identity\r\ntransfer-encoding: chunked'),
  lengths('content-length: 0', `content-length: ${HIDDEN.length}`),
  lengths(`content-length: ${HIDDEN.length}`, 'content-length: 0'),
  lengths(`content-length: 0, ${HIDDEN.length}`),
  lengths('content-length: +0'),
  lengths('content-length: 0x0'),
  lengths('content-length : 0'),
  lengths('content-length: -0'),
  // A size with an extension that holds a line feed, and one that is too large for 64 bits.
  `${OUTER}transfer-encoding: chunked\r\n\r\n5;a\nb\r\n${CHUNKED_END}${HIDDEN}`,
  `${OUTER}transfer-encoding: chunked\r\n\r\n10000000000000000\r\n${CHUNKED_END}${HIDDEN}`,
  `${OUTER}transfer-encoding: chunked\r\n\r\n0_0\r\n\r\n${HIDDEN}`,
];

export const smuggling: Attack = {
  name: 'smuggling',
  title: `${FORMS.length} forms of requests with a second one hidden in them, on ${CONNECTIONS} connections`,
  kind: 'strangers',
  run: (target, tally) =>
    attackInLanes(target, tally, CONNECTIONS, async ({ open }) => {
      const form = FORMS[tally.sent % FORMS.length] ?? '';
      tally.sent += 1;
      let text = '';
      const wire = await open({
        port: target.httpPort,
        hello: Buffer.from(form, 'latin1'),
        onData: (piece) => {
          text += piece.toString('latin1');
        },
      });
      if (wire === null) return null;
      await Promise.race([wire.ended, delay(ANSWER_MS)]);
      const answers = text.split('HTTP/1.1 ').slice(1);
      tally.answered += answers.length;
      if (answers.some((answer) => answer.startsWith('200'))) tally.wrong += 1;
      wire.leave();
      return wire;
    }),
};

/** A body whose length is named by both headers: all of it by `content-length`, none of it by the other. */
function both(encoding: string): string {
  const body = `${CHUNKED_END}${HIDDEN}`;
  return `${OUTER}content-length: ${body.length}\r\n${encoding}\r\n\r\n${body}`;
}

function lengths(...headers: readonly string[]): string {
  return `${OUTER}${headers.join('\r\n')}\r\n\r\n${HIDDEN}`;
}
