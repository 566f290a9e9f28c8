import { describe, expect, it } from 'vitest';
import { callersWith } from '../../support/server/test-server.ts';

describe('caller authentication', () => {
  it.each(['Bearer right', 'bearer right', 'Bearer   right'])('caller authentication accepts "%s"', (authorization) => {
    expect(() => callersWith('right')(authorization)).not.toThrow();
  });

  it.each([
    undefined,
    '',
    'right',
    'Bearer',
    'Bearer ',
    'Bearer wrong',
    'Bearer right wrong',
    'Basic right',
    'Bearer right ',
  ])('caller authentication refuses "%s"', (authorization) => {
    expect(() => callersWith('right')(authorization)).toThrow(/caller is not authenticated/);
  });

  // A digest of an unset variable would open the port to every client.
  it.each([undefined, '', 'Bearer', 'Bearer ', 'Basic x'])(
    'caller authentication takes "%s" as no token, with any digests',
    (none) => {
      expect(() => callersWith('')(none)).toThrow(/caller is not authenticated/);
    },
  );
});
