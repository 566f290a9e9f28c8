/** Which kind a signed token is of, for every family of tokens: the same keys sign more than API tokens. */
import { describe, expect, it } from 'vitest';
import { AssentError } from '../../../src/errors.ts';
import { type ClaimRules, checkClaims } from '../../../src/token/claims.ts';
import type { JsonObject } from '../../../src/token/jws.ts';
import { parseTokenType, type TokenType } from '../../../src/token/kind.ts';
import { ASYMMETRIC_CLAIMS, HS256_CLAIMS, ISSUER, NOW_MS } from '../../support/token/signing.ts';

const FAMILIES = [
  ['HS256', HS256_CLAIMS, { family: 'hs256', issuer: null, audiences: null }],
  ['published keys', ASYMMETRIC_CLAIMS, { family: 'asymmetric', issuer: ISSUER, audiences: [ISSUER, 'api'] }],
] as const;

describe.each(FAMILIES)('%s', (_family, claims, family) => {
  const check = (typ: string | null, changes: object, ...types: readonly TokenType[]) => {
    const rules: ClaimRules = { ...family, types: new Set(types.length === 0 ? ['JWT'] : types) };
    const payload: JsonObject = JSON.parse(JSON.stringify({ ...claims, ...changes }));
    return checkClaims(typ, payload, rules, NOW_MS);
  };
  const refusal = (...args: Parameters<typeof check>): string => {
    try {
      check(...args);
    } catch (error) {
      if (error instanceof AssentError && error.code === 'TOKEN_CLAIMS_INVALID') return error.message;
      throw error;
    }
    return 'taken';
  };

  it.each([null, 'JWT', 'jwt', 'Jwt', 'application/jwt', 'APPLICATION/JWT'])(
    'a token of the type %j is accepted',
    (typ) => {
      expect(check(typ, {}).principal).toMatchObject({ userId: 'user-1', client: null });
    },
  );

  it.each([
    ['at+jwt', 'an access token'],
    ['AT+JWT', 'an access token'],
    ['application/at+jwt', 'an access token'],
    ['logout+jwt', 'a logout token'],
    ['dpop+jwt', 'a DPoP proof'],
    ['secevent+jwt', 'a security event token'],
    ['better-auth.session-cache+jwt', 'a session cookie'],
    ['Better-Auth.Session-Cache+JWT', 'a session cookie'],
    ['application/better-auth.session-cache+jwt', 'a session cookie'],
    ['APPLICATION/better-auth.session-cache+jwt', 'a session cookie'],
    ['oauth-authz-req+jwt', 'an authorization request'],
    ['token-introspection+jwt', 'an introspection response'],
    ['oauth-client-attestation+jwt', 'a client attestation'],
    ['kb+jwt', 'a key binding'],
    ['acme+jwt', 'of the type acme+jwt'],
    ['JOSE', 'of the type jose'],
    ['', 'of a type without a name'],
    ['application/', 'of a type without a name'],
    ['<script>', 'of an unknown type'],
    ['x'.repeat(200), 'of an unknown type'],
    ['constructor', 'of the type constructor'],
    [' JWT', 'of an unknown type'],
    ['application/application/jwt', 'of an unknown type'],
  ])('a token of the type %j is refused with a message that the token is %s', (typ, kind) => {
    const message = refusal(typ, {});
    expect(message).toContain(`The token is ${kind}, `);
    expect(message.length).toBeLessThan(250);
  });

  it.each(['better-auth:session-cache', ['api', 'better-auth:session-cache']])(
    'a token with the audience %j of a session cookie is refused in every type',
    (aud) => {
      for (const typ of [null, 'JWT', 'at+jwt']) {
        expect(refusal(typ, { aud, client_id: 'client', sub: 'user-1' }, 'JWT', 'at+jwt')).toContain(
          'a session cookie',
        );
      }
    },
  );

  it.each([[{ jkt: 'thumbprint' }], [{ 'x5t#S256': 'thumbprint' }], [{}], [''], [false], [0]])(
    'a token that is bound to a key is refused: cnf %j',
    (cnf) => {
      for (const typ of [null, 'JWT', 'at+jwt']) {
        const message = refusal(typ, { cnf, client_id: 'client', sub: 'user-1' }, 'JWT', 'at+jwt');
        expect(message).toContain('bound to a key');
      }
    },
  );

  it.each([
    { nonce: 'n-0S6_WzA2Mj' },
    { nonce: '' },
    { at_hash: '77QmUPtjPfzWtF2AnpK9RQ' },
    { c_hash: 'LDktKdoQak3Pk0cnXxCltA' },
    { aud: ['client', ISSUER, 'api'], azp: 'client' },
  ])('a token with the claims of an ID token is refused: %j', (marks) => {
    for (const typ of [null, 'JWT', 'application/jwt'])
      expect(refusal(typ, marks)).toContain('The token is an ID token, ');
    const access = { client_id: 'client', sub: 'user-1', ...marks };
    expect(check('at+jwt', { aud: 'api', ...access }, 'at+jwt').principal.client?.id).toBe('client');
  });

  it.each([
    { cnf: null },
    { nonce: null, at_hash: null, c_hash: null },
    { aud: ['api', 'shop'] },
    { aud: ['api', 'shop'], azp: null },
    { aud: 'api', azp: 'client' },
    { aud: ['api'], azp: 'client' },
    {
      scope: 'openid profile',
      client_id: 'client',
      events: { 'http://schemas.openid.net/event/backchannel-logout': {} },
    },
    { scope: ['openid'], client_id: 7, events: [] },
    { sid: 'session', jti: 'id', auth_time: 1, acr: '0', htm: 'POST', htu: 'https://api.example.com' },
  ])('a token with a claim that may be a column of the application is accepted: %j', (changes) => {
    for (const typ of [null, 'JWT'])
      expect(check(typ, changes).principal).toMatchObject({ userId: 'user-1', client: null });
  });

  describe('with at+jwt among the types', () => {
    const access = { sub: 'user-1', aud: 'api', client_id: 'client', azp: 'client', scope: 'leave:read openid' };

    it.each(['at+jwt', 'AT+JWT', 'application/at+jwt'])('an access token of the type %s is accepted', (typ) => {
      const { principal } = check(typ, access, 'JWT', 'at+jwt');
      expect(principal).toMatchObject({ userId: 'user-1', client: { id: 'client', scopes: ['leave:read', 'openid'] } });
    });

    it.each<[unknown, readonly string[]]>([
      [undefined, []],
      [null, []],
      ['', []],
      ['  a   b a ', ['a', 'b']],
    ])('the scope %j of an access token is read as %j', (scope, scopes) => {
      expect(check('at+jwt', { ...access, scope }, 'at+jwt').principal.client?.scopes).toEqual(scopes);
    });

    it.each<[string, object]>([
      ['no client_id', { client_id: undefined }],
      ['a null client_id', { client_id: null }],
      ['an empty client_id', { client_id: '' }],
      ['a client_id that is a number', { client_id: 7 }],
      ['a client_id with a NUL', { client_id: 'client\0' }],
      ['a scope that is a list', { scope: ['leave:read'] }],
      ['a scope that is a number', { scope: 7 }],
      ['no subject', { sub: undefined }],
      ['a subject that is another user', { sub: 'user-2', userId: 'user-1' }],
      ['an inactive claim that is no truth value', { isActive: 'no' }],
    ])('an access token with %s is refused', (_name, changes) => {
      expect(refusal('at+jwt', { ...access, ...changes }, 'at+jwt')).not.toBe('taken');
    });

    it('an access token of a client for itself, without a user, is refused', () => {
      for (const changes of [
        { sub: 'client' },
        { sub: 'client', userId: 'client' },
        { sub: 'client', userId: 'user-1' },
      ]) {
        expect(refusal('at+jwt', { ...access, ...changes }, 'at+jwt')).toContain('client_credentials');
      }
    });

    it('a JWT without scopes is accepted where access tokens are', () => {
      for (const typ of [null, 'JWT']) expect(check(typ, access, 'JWT', 'at+jwt').principal.client).toBeNull();
    });

    it('a JWT is refused where JWT is not among the types', () => {
      for (const typ of [null, 'JWT']) expect(refusal(typ, access, 'at+jwt')).toContain('The token is a JWT, ');
    });

    it.each(['logout+jwt', 'dpop+jwt', 'secevent+jwt'])(
      'a token of another kind is refused also where access tokens are accepted: %s',
      (typ) => {
        expect(refusal(typ, access, 'JWT', 'at+jwt')).not.toBe('taken');
      },
    );
  });
});

describe('parseTokenType', () => {
  it.each([
    ['JWT', 'JWT'],
    ['jwt', 'JWT'],
    ['application/jwt', 'JWT'],
    ['at+jwt', 'at+jwt'],
    ['Application/AT+JWT', 'at+jwt'],
    ['logout+jwt', null],
    ['', null],
    ['constructor', null],
  ])('the token type %j is parsed as %j', (text, type) => {
    expect(parseTokenType(text)).toBe(type);
  });
});
