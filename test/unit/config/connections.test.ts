import { expect, it } from 'vitest';
import { readConnections } from '../../../src/config/connections.ts';
import { Reader } from '../../../src/config/reader.ts';

const read = (environment: Readonly<Record<string, string>>) => {
  const reader = new Reader(environment);
  return { config: readConnections(reader), problems: reader.problems };
};

it('connections are bounded in all, and per address only where the setting says so', () => {
  expect(read({}).config).toEqual({ max: 10_000, maxPerAddress: 0 });
  expect(read({ ASSENT_MAX_CONNECTIONS: '0', ASSENT_MAX_CONNECTIONS_PER_ADDRESS: '100' }).config).toEqual({
    max: 0,
    maxPerAddress: 100,
  });
});

it('a bound on connections that is no number is refused by the name of its setting', () => {
  expect(read({ ASSENT_MAX_CONNECTIONS: '-1', ASSENT_MAX_CONNECTIONS_PER_ADDRESS: 'many' }).problems).toEqual([
    'ASSENT_MAX_CONNECTIONS must be a whole number from 0 to 1000000.',
    'ASSENT_MAX_CONNECTIONS_PER_ADDRESS must be a whole number from 0 to 1000000.',
  ]);
});
