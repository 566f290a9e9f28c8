import { connect } from 'nats';
import { expect, it } from 'vitest';
import { testNats, testStreamName } from '../../support/nats.ts';

const { url, stream, prefix } = await testNats();

it('a test gets names of a stream and a prefix that JetStream accepts', async () => {
  const connection = await connect({ servers: url });
  const manager = await connection.jetstreamManager();
  await manager.streams.add({ name: stream, subjects: [`${prefix}.>`] });
  const { seq } = await connection.jetstream().publish(`${prefix}.member.added`, '{}');
  expect(seq).toBe(1);
  await connection.close();
});

it('a test never gets the stream names of another test', () => {
  const names = Array.from({ length: 100 }, () => testStreamName());
  expect(new Set(names.map((name) => name.stream)).size).toBe(100);
  expect(new Set(names.map((name) => name.prefix)).size).toBe(100);
});
