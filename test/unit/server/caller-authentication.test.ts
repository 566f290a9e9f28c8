import { describe, expect, it } from 'vitest';
import { createKnownCallers } from '../../../src/callers/known-callers.ts';
import {
  admitCaller,
  type CallCredentials,
  createCallerAuthentication,
} from '../../../src/server/caller-authentication.ts';
import { sha256 } from '../../support/callers.ts';
import { callersFrom, callersWith } from '../../support/server/test-server.ts';

const call = (authorization: string | undefined, ...names: readonly string[]): CallCredentials => ({
  header: (name) => (name === 'authorization' ? authorization : undefined),
  certificateNames: () => names,
});

describe('caller authentication', () => {
  it.each(['Bearer right', 'bearer right', 'Bearer   right'])('caller authentication accepts "%s"', (authorization) => {
    expect(callersWith('right')(call(authorization))?.name).toBe('test');
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
    expect(() => callersWith('right')(call(authorization))).toThrow(/caller is not authenticated/);
  });

  // A digest of an unset variable would open the port to every client.
  it.each([undefined, '', 'Bearer', 'Bearer ', 'Basic x'])(
    'caller authentication takes "%s" as no token, with any digests',
    (none) => {
      expect(() => callersWith('')(call(none))).toThrow(/caller is not authenticated/);
    },
  );

  it('a token is refused from the moment of its end on, and another token of the same caller goes on', () => {
    let now = Date.parse('2027-01-31T00:00:00Z') - 1;
    const tokens = [
      { digest: sha256('old'), expiresAt: now + 1 },
      { digest: sha256('next'), expiresAt: null },
    ];
    const callers = createKnownCallers([{ ...ENTRY, tokens }], 1);
    const authenticate = createCallerAuthentication(() => callers, { now: () => now });
    expect(authenticate(call('Bearer old'))?.name).toBe('orders');
    now += 1;
    expect(() => authenticate(call('Bearer old'))).toThrow(/caller is not authenticated/);
    expect(authenticate(call('Bearer next'))?.name).toBe('orders');
  });

  const BOTH = `
callers:
  - name: orders
    tokens: [{ sha256: ${sha256('right')} }]
  - name: billing
    certificates: [billing.internal, "spiffe://example.org/billing"]
`;

  it.each([['DNS:billing.internal'], ['DNS:other', 'URI:spiffe://example.org/billing']])(
    'a certificate with the names %s, %s is that of its caller',
    (...names) => {
      expect(callersFrom(BOTH)(call(undefined, ...names))?.name).toBe('billing');
    },
  );

  it('a certificate that no caller names is refused, and a token decides beside any certificate', () => {
    const authenticate = callersFrom(BOTH);
    for (const names of [[], ['DNS:stranger'], ['URI:billing.internal'], ['DNS:spiffe://example.org/billing']]) {
      expect(() => authenticate(call(undefined, ...names))).toThrow(/caller is not authenticated/);
    }
    expect(authenticate(call('Bearer right', 'DNS:stranger'))?.name).toBe('orders');
    expect(authenticate(call('Bearer right', 'DNS:billing.internal'))?.name).toBe('orders');
    // A wrong token is no missing one.
    expect(() => authenticate(call('Bearer wrong', 'DNS:billing.internal'))).toThrow(/caller is not authenticated/);
    expect(() => authenticate(call('', 'DNS:billing.internal'))).toThrow(/caller is not authenticated/);
  });

  it('a certificate with the names of two callers is refused', () => {
    const authenticate = callersFrom(`
callers:
  - { name: a, certificates: [a.internal] }
  - { name: b, certificates: [b.internal] }
`);
    expect(authenticate(call(undefined, 'DNS:a.internal', 'DNS:c.internal'))?.name).toBe('a');
    expect(() => authenticate(call(undefined, 'DNS:a.internal', 'DNS:b.internal'))).toThrow(/not authenticated/);
  });
});

const ENTRY = { name: 'orders', certificates: [], methods: new Set(['/a.B/C']), rate: 2, inFlight: 1 };
const codeOf = (act: () => unknown): string => {
  try {
    return String(act());
  } catch (error) {
    return (error as { code: string }).code;
  }
};

describe('the admission of a known caller', () => {
  it('a refused call takes neither a place in flight nor a call of the rate', () => {
    const callers = createKnownCallers([{ ...ENTRY, tokens: [{ digest: 'd', expiresAt: null }] }], 1);
    const caller = callers.byDigest('d')?.caller;
    if (caller === undefined) throw new Error('unknown');
    let now = 0;
    const admit = (path = '/a.B/C'): string => codeOf(() => admitCaller(caller, path, () => now));
    for (let count = 0; count < 3; count += 1) expect(admit('/a.B/D')).toBe('CALLER_METHOD_NOT_ALLOWED');
    expect(admit()).toBe('true');
    for (let count = 0; count < 3; count += 1) expect(admit()).toBe('CALLER_IN_FLIGHT_EXCEEDED');
    caller.limits.end();
    expect(admit()).toBe('true');
    caller.limits.end();
    for (let count = 0; count < 3; count += 1) expect(admit()).toBe('CALLER_RATE_EXCEEDED');
    now += 500;
    expect(admit()).toBe('true');
  });

  it('a caller over its rate is told when to call again', () => {
    const callers = createKnownCallers([{ ...ENTRY, inFlight: null, tokens: [{ digest: 'd', expiresAt: null }] }], 1);
    const caller = callers.byDigest('d')?.caller;
    if (caller === undefined) throw new Error('unknown');
    const admit = (now: number) => admitCaller(caller, '/a.B/C', () => now);
    expect([admit(0), admit(0)]).toEqual([false, false]);
    expect(() => admit(100.5)).toThrow(expect.objectContaining({ retryAfterMs: 400 }));
  });
});
