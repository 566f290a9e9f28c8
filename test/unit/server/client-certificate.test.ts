import fc from 'fast-check';
import { expect, it } from 'vitest';
import { parseAlternativeNames } from '../../../src/server/client-certificate.ts';

it.each([
  ['', []],
  ['DNS:Orders.Internal, IP Address:127.0.0.1', ['DNS:orders.internal']],
  ['URI:spiffe://example.org/Orders, DNS:a', ['URI:spiffe://example.org/Orders', 'DNS:a']],
  ['email:a@b.example, othername:<unsupported>, DNS:a', ['DNS:a']],
  // Node quotes a value that has a comma or a quote: it is one value, and stands for no caller.
  ['DNS:"evil, URI:spiffe://example.org/orders", DNS:b', ['DNS:b']],
  ['DNS:"evil\\", DNS:orders"', []],
  ['DirName:"CN=a, O=b", DNS:c', ['DNS:c']],
  // X509-SVID, section 2: one URI, not several.
  ['URI:spiffe://example.org/a, URI:spiffe://example.org/b, DNS:c', ['DNS:c']],
  ['URI:"spiffe://example.org/a,b", URI:spiffe://example.org/b', []],
  // Nothing of a text that is not read to its end.
  ['DNS:a, b"c, DNS:orders', []],
  ['DNS:a"b, DNS:orders', []],
])('the names of the certificate "%s" are %j', (text, names) => {
  expect(parseAlternativeNames(text)).toEqual(names);
});

it('the names of a certificate are read as Node writes them, and nothing within a quoted value is a name', () => {
  const value = fc.string({ minLength: 1, maxLength: 20, unit: fc.constantFrom('a', ',', ' ', '"', '\\', ':', 'D') });
  fc.assert(
    fc.property(fc.array(value, { maxLength: 5 }), (values) => {
      const written = values.map((one) => `DNS:${/[,"\\]/.test(one) ? JSON.stringify(one) : one}`).join(', ');
      const plain = values.filter((one) => !/[,"\\]/.test(one)).map((one) => `DNS:${one.toLowerCase()}`);
      expect(parseAlternativeNames(written)).toEqual(plain);
    }),
  );
});
