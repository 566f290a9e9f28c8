import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseCallers } from '../../../src/callers/file.ts';
import { API_METHODS } from '../../../src/callers/methods.ts';
import { sha256 } from '../../support/callers.ts';

const [ONE, TWO] = [sha256('one'), sha256('two')];
const problemsOf = (text: string, hasClientCertificates = true, workers = 1): readonly string[] =>
  parseCallers(text, { hasClientCertificates, workers }).problems;
/** A file of one caller with these further lines. */
const caller = (...lines: readonly string[]): string =>
  ['callers:', '  - name: orders', ...lines.map((line) => `    ${line}`), ''].join('\n');
const TOKEN = `tokens: [{ sha256: ${ONE} }]`;

describe('the file of callers', () => {
  it('a file of another kind has a bounded number of problems', () => {
    const problems = problemsOf(Array.from({ length: 5_000 }, (_, line) => `key${line}: value`).join('\n'));
    expect(problems).toHaveLength(51);
    expect(problems.at(-1)).toBe('has 4951 further problems.');
  });

  it('a limit of calls in flight that has no share for each worker is a problem', () => {
    expect(problemsOf(caller(TOKEN, 'inFlight: 4'), true, 4)).toEqual([]);
    expect(problemsOf(caller(TOKEN, 'inFlight: 3'), true, 4)).toEqual([
      'line 4, column 15: callers[0].inFlight must be at least 4: each of so many workers (ASSENT_WORKERS) has a share.',
    ]);
    expect(problemsOf(caller(TOKEN, 'rate: 0.5'), true, 4)).toEqual([]);
  });

  it('the file of callers gives each caller its credentials, methods and limits', () => {
    const { value, problems } = parseCallers(
      `
callers:
  - name: orders
    tokens:
      - sha256: ${ONE.toUpperCase()}
        expires: 2027-01-31T00:00:00+01:00
      - { sha256: ${TWO}, expires: 2028-02-29 }
    methods: [CheckPermission, assent.sync.v1.SyncService/Watch, grpc.reflection.v1.ServerReflection/ServerReflectionInfo]
    rate: 0.5
    inFlight: 64
  - name: billing.eu-1
    certificates: [Billing.Internal, "spiffe://example.org/ns/prod/sa/Billing"]
`,
      { hasClientCertificates: true, workers: 1 },
    );
    expect(problems).toEqual([]);
    expect(value).toEqual([
      {
        name: 'orders',
        tokens: [
          { digest: ONE, expiresAt: Date.parse('2027-01-30T23:00:00Z') },
          { digest: TWO, expiresAt: Date.parse('2028-02-29T00:00:00Z') },
        ],
        certificates: [],
        methods: new Set([
          '/assent.auth.v1.AuthService/CheckPermission',
          '/assent.sync.v1.SyncService/Watch',
          '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
        ]),
        rate: 0.5,
        inFlight: 64,
      },
      {
        name: 'billing.eu-1',
        tokens: [],
        certificates: ['DNS:billing.internal', 'URI:spiffe://example.org/ns/prod/sa/Billing'],
        methods: API_METHODS,
        rate: null,
        inFlight: null,
      },
    ]);
  });

  it('a caller without methods may call all of AuthService and nothing else', () => {
    expect(API_METHODS.size).toBe(7);
    for (const path of API_METHODS) expect(path).toMatch(/^\/assent\.auth\.v1\.AuthService\//);
  });

  it.each([
    ['nothing', '', ['line 1, column 1: the file must be a mapping.']],
    ['no callers', 'caller: []', ['the file has an unknown key; known are callers.', 'callers is missing.']],
    ['an empty list', 'callers: []', ['line 1, column 10: callers must name at least one.']],
    ['text for a caller', 'callers: [orders]', ['line 1, column 11: callers[0] must be a mapping.']],
    ['text for a token', caller('tokens: [hunter2]'), ['line 3, column 14: callers[0].tokens[0] must be a mapping.']],
    ['no name', `callers:\n  - ${TOKEN}`, ['line 2, column 5: callers[0] must have a name.']],
    [
      'an odd name',
      caller(TOKEN).replace('orders', '"or ders"'),
      ['line 2, column 11: callers[0].name must be 1 to 64'],
    ],
    ['a number as a name', caller(TOKEN).replace('orders', '7'), ['line 2, column 11: callers[0].name must be text']],
    ['no credential', caller('rate: 1'), ['line 2, column 5: callers[0] must have tokens or certificates']],
    ['an empty list of tokens', caller('tokens: []'), ['line 3, column 13: callers[0].tokens must name at least one.']],
    ['no digest', caller('tokens: [{}]'), ['line 3, column 14: callers[0].tokens[0] must have sha256.']],
    [
      'a token for its digest',
      caller('tokens: [{ sha256: hunter2 }]'),
      ['line 3, column 24: callers[0].tokens[0].sha256'],
    ],
    [
      'the digest of an empty token',
      caller(`tokens: [{ sha256: ${sha256('')} }]`),
      ['line 3, column 24: callers[0].tokens[0].sha256 is the digest of an empty token'],
    ],
    ...['2027', '2027-02-30', '2027-01-31T00:00:00', 'tomorrow', '', '[]'].map((moment): [string, string, string[]] => [
      `the end "${moment}"`,
      caller('tokens:', `  - sha256: ${ONE}`, `    expires: ${moment}`),
      ['callers[0].tokens[0].expires must be a moment with its offset'],
    ]),
    ...[
      ...['"*.internal"', '10.0.0.1', '""', '"a b"', '"a,b"', 'spiffe://example.org/*'],
      // No certificate of a workload has an ID in such a form.
      ...['SPIFFE://example.org/a', 'spiffe://Example.org/a', 'spiffe://example.org/a/', 'spiffe://example.org'],
      ...['spiffe://example.org:80/a', 'spiffe://u@example.org/a', 'spiffe://example.org/a/../b', 'spiffe:///a'],
      ...['spiffe://example.org/%61', '"spiffe://example.org/a?b"', '"spiffe://example.org/a#b"', 'spiffe://e//a'],
    ].map((name): [string, string, string[]] => [
      `the certificate ${name}`,
      caller(`certificates: [${name}]`),
      ['line 3, column 20: callers[0].certificates[0] must be a DNS name or a URI'],
    ]),
    ...['CheckPermissions', 'checkPermission', 'Health/Check', '"*"', '/assent.auth.v1.AuthService/GetUser'].map(
      (method): [string, string, string[]] => [
        `the method ${method}`,
        caller(TOKEN, `methods: [${method}]`),
        ['line 4, column 15: callers[0].methods[0] is not a method'],
      ],
    ),
    ['no methods', caller(TOKEN, 'methods: []'), ['line 4, column 14: callers[0].methods must name at least one.']],
    ...['0', '0.0009', '-1', '.inf', '.nan', '"5"', '1000001'].map((rate): [string, string, string[]] => [
      `the rate ${rate}`,
      caller(TOKEN, `rate: ${rate}`),
      ['line 4, column 11: callers[0].rate must be a number from 0.001 to 1000000.'],
    ]),
    ...['0', '1.5', 'many'].map((count): [string, string, string[]] => [
      `inFlight ${count}`,
      caller(TOKEN, `inFlight: ${count}`),
      ['line 4, column 15: callers[0].inFlight must be a whole number from 1 to 1000000.'],
    ]),
    ['YAML that is none', 'callers: [', ['not valid YAML (']],
  ])('the file of callers is refused with %s', (_name, text, expected) => {
    const problems = problemsOf(text);
    expect(problems).toHaveLength(expected.length);
    for (const [index, part] of expected.entries()) expect(problems[index]).toContain(part);
    expect(problems.join()).not.toContain('hunter2');
  });

  it('the file of callers is refused with all of its problems at once, in their order', () => {
    const text = `
callers:
  - name: orders
    tokens: [{ sha256: ${ONE} }, { sha256: ${ONE} }]
    rat: 5
  - name: orders
    certificates: [a.internal]
  - name: billing
    certificates: [A.internal]
other: 1
`;
    expect(problemsOf(text)).toEqual([
      'line 4, column 102: callers[0].tokens[1] has the digest of callers[0].tokens[0].',
      'line 5, column 5: callers[0] has an unknown key; known are name, tokens, certificates, methods, rate, inFlight.',
      'line 6, column 11: callers[1] has the name of callers[0].',
      'line 9, column 20: callers[2].certificates[0] is the same as callers[1].certificates[0].',
      'line 10, column 1: the file has an unknown key; known are callers.',
    ]);
  });

  it('certificates are refused where no client certificate is asked for', () => {
    expect(problemsOf(caller('certificates: [a.internal]'), false)).toEqual([
      'line 3, column 19: callers[0].certificates needs ASSENT_TLS_CLIENT_CA.',
    ]);
  });

  it('no problem repeats a text of the file, whatever it holds', () => {
    const secret = 'hunter2';
    const texts = [
      `${secret}: *${secret}`,
      `callers: !${secret} [`,
      `? ${secret}\n? ${secret}`,
      `callers:\n  - name: ${secret} !\n    ${secret}: 1\n    ${secret}: 2\n    methods: [${secret}]\n    rate: ${secret}`,
      `"${secret}" "${secret}"`,
      `&${secret} a: *b\n\t${secret}`,
      `DATABASE_PASSWORD=${secret}`,
      `callers: "\\${secret}"`,
    ];
    for (const text of texts) {
      const problems = problemsOf(text);
      expect(problems.length, text).toBeGreaterThan(0);
      expect(problems.join('\n'), text).not.toContain(secret);
    }
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(secret, ...'\n-:[]{}&*!"\'?|> #,'.split('')), { maxLength: 30 }),
        (parts) => {
          expect(problemsOf(`callers:\n${parts.join('')}`).join('\n')).not.toContain(secret);
        },
      ),
    );
  });

  it('a file of a megabyte or of more than a thousand callers is refused', () => {
    expect(problemsOf('#'.repeat(1_048_577))).toEqual(['is longer than 1048576 characters.']);
    const many = Array.from({ length: 1_001 }, (_, index) => `  - { name: c${index}, certificates: [c${index}.x] }`);
    expect(problemsOf(`callers:\n${many.join('\n')}`)).toEqual([
      'line 2, column 3: callers has more than 1000 entries.',
    ]);
  });
});
