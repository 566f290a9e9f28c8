import { brotliCompressSync, brotliDecompressSync, deflateSync, gunzipSync, gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { Code } from '../../../src/rpc/status.ts';
import { type Compression, compress, decompress, type WaitingCall } from '../../../src/server/compression.ts';

const MIB = 1024 * 1024;
const MAX_BYTES = 4 * MIB;
const COMPRESS = { gzip: gzipSync, deflate: deflateSync, br: brotliCompressSync } as const;
const NAMES = Object.keys(COMPRESS) as readonly Compression[];

/** A call on another connection, which can leave. */
const waitingCall = (connection: object = {}): WaitingCall & { leave(): void } => {
  const gone = new EventTarget();
  return {
    connection,
    onGone: (listener) => gone.addEventListener('gone', listener),
    leave: () => gone.dispatchEvent(new Event('gone')),
  };
};
const run = (payload: Uint8Array, name: Compression = 'gzip', call = waitingCall(), maxBytes = MAX_BYTES) =>
  decompress(payload, name, maxBytes, call);
/** Wide enough not to be small when it is compressed. */
const NOISE = Buffer.from(Array.from({ length: 10_000 }, (_, index) => (index * index * 31) % 251));

describe.each(NAMES)('messages that are compressed by %s', (name) => {
  const packed = (content: Uint8Array): Buffer => COMPRESS[name](content);

  it(`a small message of ${name} is decompressed at once`, () => {
    expect(run(packed(Buffer.from('a message')), name)).toEqual(Buffer.from('a message'));
  });

  it(`a small message of ${name} that grows is left to a thread`, async () => {
    const bomb = packed(Buffer.alloc(MAX_BYTES / 2));
    expect(bomb.length).toBeLessThan(4_096);
    const message = run(bomb, name);
    expect(message).toBeInstanceOf(Promise);
    expect(await message).toHaveLength(MAX_BYTES / 2);
  });

  it(`a message of ${name} that grows beyond the bound is refused without its rest being decompressed`, async () => {
    const bomb = packed(Buffer.alloc(4 * MAX_BYTES));
    const refusal = { code: Code.RESOURCE_EXHAUSTED, message: `A message is larger than ${MAX_BYTES} bytes.` };
    // Without its end it is damaged. A decompressor that comes to the end says so.
    await expect(run(bomb.subarray(0, -8), name)).rejects.toMatchObject(refusal);
    expect(() => run(packed(Buffer.alloc(4_097)), name, waitingCall(), 4_096)).toThrow('larger than 4096 bytes');
  });

  it(`a message of ${name} that is damaged is refused`, async () => {
    const refusal = { code: Code.INTERNAL, message: 'A compressed message could not be decompressed.' };
    for (const damaged of [Buffer.from('no such thing'), packed(Buffer.alloc(MIB, NOISE)).subarray(0, -4)]) {
      await expect((async () => run(damaged, name))()).rejects.toMatchObject(refusal);
    }
  });
});

it('a message that is large while it is compressed is left to a thread', async () => {
  const message = run(gzipSync(NOISE, { level: 0 }));
  expect(message).toBeInstanceOf(Promise);
  expect(await message).toEqual(NOISE);
});

it('connections take turns when their messages are decompressed, and those of one connection keep their order', async () => {
  const bomb = gzipSync(Buffer.alloc(MAX_BYTES));
  const crowd = {};
  const done: string[] = [];
  const start = async (name: string, connection: object): Promise<void> => {
    await run(bomb, 'gzip', waitingCall(connection));
    done.push(name);
  };
  const crowded = Array.from({ length: 20 }, (_, index) => start(String(index), crowd));
  const late = Array.from({ length: 3 }, () => start('late', {}));
  await Promise.all([...crowded, ...late]);
  expect(done.filter((name) => name !== 'late')).toEqual(Array.from({ length: 20 }, (_, index) => String(index)));
  expect(done.lastIndexOf('late')).toBeLessThan(10);
});

it('a message whose call is gone is not decompressed, and does not delay those after it', async () => {
  const bomb = gzipSync(Buffer.alloc(MAX_BYTES));
  const connection = {};
  let late = 0;
  const started = run(bomb, 'gzip', waitingCall(connection));
  const gone = waitingCall(connection);
  void Promise.resolve(run(bomb, 'gzip', gone)).then(() => {
    late += 1;
  });
  gone.leave();
  await started;
  await run(bomb, 'gzip', waitingCall(connection));
  expect(late).toBe(0);
});

it('answers are compressed by both compressions of Connect', async () => {
  expect(gunzipSync(await compress(NOISE, 'gzip'))).toEqual(NOISE);
  expect(brotliDecompressSync(await compress(NOISE, 'br'))).toEqual(NOISE);
});
