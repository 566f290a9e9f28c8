import { expect, it } from 'vitest';
import { dropHeaders } from '../../../src/server/drop-headers.ts';

it('of headers that are dropped, those stay that are read with the message', () => {
  const headers = Object.assign(Object.create(null), {
    ':path': '/x',
    authorization: 'Bearer token',
    'grpc-encoding': 'gzip',
    'x-large': 'x'.repeat(1_000),
  });
  const raw = ['x-large', 'x'.repeat(1_000)];
  dropHeaders(headers, raw);
  expect({ ...headers }).toEqual({ 'grpc-encoding': 'gzip' });
  expect(raw).toEqual([]);
});
