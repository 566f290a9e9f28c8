/** Handshakes of TLS: unfinished ones, and finished ones that are made anew. */
import { connect } from 'node:tls';
import type { Attack } from '../scenario.ts';
import { ATTACKER_ADDRESSES, attackInLanes } from '../wire.ts';

const UNFINISHED = 2_000;
const CONNECTIONS = 20;
/** The head of a record of 512 bytes with a ClientHello, of which nothing more comes. */
const HALF_HELLO = Buffer.from('160301020001000001fc0303', 'hex');

export const halfHandshakes: Attack = {
  name: 'half-handshakes',
  title: `handshakes of TLS that are not finished, on ${UNFINISHED} connections from ${ATTACKER_ADDRESSES} addresses`,
  kind: 'strangers',
  tls: true,
  run: (target, tally) =>
    attackInLanes(target, tally, UNFINISHED, ({ open }, index) =>
      open({ port: index % 2 === 0 ? target.grpcPort : target.httpPort, address: index, hello: HALF_HELLO }),
    ),
};

export const handshakes: Attack = {
  name: 'handshakes',
  title: `handshakes of TLS in a loop, ${CONNECTIONS} at a time`,
  kind: 'strangers',
  tls: true,
  run: (target, tally) =>
    attackInLanes(target, tally, CONNECTIONS, async ({ open }, index) => {
      const wire = await open({ port: target.grpcPort, address: index, hello: Buffer.alloc(0), reads: false });
      if (wire === null) return null;
      tally.sent += 1;
      const secure = connect({
        socket: wire.socket,
        ca: target.ca ?? '',
        servername: 'localhost',
        ALPNProtocols: ['h2'],
      });
      secure.on('error', () => {});
      secure.once('secureConnect', () => {
        tally.answered += 1;
        secure.destroy();
        wire.leave();
      });
      return wire;
    }),
};
