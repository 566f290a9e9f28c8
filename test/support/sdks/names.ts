/** Names with addresses for the programs of a test: a DNS server on 127.0.0.1, and a file of hosts. */
import { randomUUID } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { rename, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';

export interface Names {
  /** The port of the DNS server. */
  readonly dnsPort: number;
  /** A file as /etc/hosts with the same addresses. */
  readonly hosts: string;
  /** Sets the IPv4 addresses of a name; queries from now on get them. */
  set(name: string, addresses: readonly string[]): Promise<void>;
  close(): void;
}

const HEADER_BYTES = 12;
const TYPE_A = 1;
const CLASS_IN = 1;
/** QR and AA; the response code is 0 also for a name without records of the type. */
const AUTHORITATIVE_ANSWER = 0x8400;
/** A pointer to the name of the question (RFC 1035, section 4.1.4). */
const NAME_OF_QUESTION = 0xc000 | HEADER_BYTES;

/** @param hosts The file to write. */
export async function startNames(hosts: string): Promise<Names> {
  const names = new Map<string, readonly string[]>();
  const socket = createSocket('udp4');
  socket.on('message', (query, { address, port }) => socket.send(answer(query, names), port, address));
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return {
    dnsPort: (socket.address() as AddressInfo).port,
    hosts,
    set: async (name, addresses) => {
      names.set(name, addresses);
      const lines = [...names].flatMap(([one, at]) => at.map((address) => `${address} ${one}\n`));
      // Outages run side by side, and each has a file until it is renamed.
      const next = `${hosts}.${randomUUID()}`;
      await writeFile(next, lines.join(''));
      await rename(next, hosts);
    },
    close: () => void socket.close(),
  };
}

function answer(query: Buffer, names: ReadonlyMap<string, readonly string[]>): Buffer {
  const labels: string[] = [];
  let at = HEADER_BYTES;
  for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  const type = query.readUInt16BE(at + 1);
  const question = query.subarray(HEADER_BYTES, at + 5);
  const addresses = type === TYPE_A ? (names.get(labels.join('.').toLowerCase()) ?? []) : [];
  const header = Buffer.alloc(HEADER_BYTES);
  query.copy(header, 0, 0, 2);
  for (const [index, value] of [AUTHORITATIVE_ANSWER, 1, addresses.length].entries()) {
    header.writeUInt16BE(value, 2 + 2 * index);
  }
  return Buffer.concat([header, question, ...addresses.map(record)]);
}

/** A record with a life of 0 s. */
function record(address: string): Buffer {
  const fixed = Buffer.alloc(12);
  fixed.writeUInt16BE(NAME_OF_QUESTION, 0);
  fixed.writeUInt16BE(TYPE_A, 2);
  fixed.writeUInt16BE(CLASS_IN, 4);
  fixed.writeUInt16BE(4, 10);
  return Buffer.concat([fixed, Buffer.from(address.split('.').map(Number))]);
}
