import { describe, expect, it } from 'vitest';
import { type ClaimRules, checkClaims } from '../../../src/token/claims.ts';
import type { JsonObject } from '../../../src/token/jws.ts';
import {
  ASYMMETRIC_CLAIMS,
  HS256_CLAIMS,
  ISSUER,
  NOW_MS,
  NOW_SECONDS,
  refusalOf,
} from '../../support/token/signing.ts';

const types = new Set(['JWT'] as const);
const hs256: ClaimRules = { family: 'hs256', issuer: null, audiences: null, types };
const strictHs256: ClaimRules = { family: 'hs256', issuer: ISSUER, audiences: ['api'], types };
const asymmetric: ClaimRules = { family: 'asymmetric', issuer: ISSUER, audiences: [ISSUER, 'api'], types };

/** The claims with changes; undefined leaves one out. */
const change = (claims: object, changes: object): JsonObject => JSON.parse(JSON.stringify({ ...claims, ...changes }));

const hs = (changes: object, rules = hs256) => checkClaims(null, change(HS256_CLAIMS, changes), rules, NOW_MS);
const as = (changes: object, rules = asymmetric) =>
  checkClaims(null, change(ASYMMETRIC_CLAIMS, changes), rules, NOW_MS);

describe('claims of an HS256 token', () => {
  it('the claims of an HS256 token become the principal', () => {
    expect(hs({ organizationId: 'org-1', orgRole: 'staff', sub: 'ignored', somethingElse: 1 })).toEqual({
      principal: {
        userId: 'user-1',
        email: 'ada@example.com',
        role: 'user',
        organizationId: 'org-1',
        organizationRole: 'staff',
        isActive: true,
        client: null,
      },
      issuedAt: NOW_SECONDS - 60,
      expiresAt: NOW_SECONDS + 600,
    });
  });

  it.each<[string, object, object]>([
    ['no organization', {}, { organizationId: '', organizationRole: '' }],
    ['a null organization', { organizationId: null, orgRole: null }, { organizationId: '', organizationRole: '' }],
    ['an inactive user', { isActive: false }, { isActive: false }],
    ['an empty role', { role: '' }, { role: '' }],
    ['a banned claim, which means nothing here', { banned: true }, { isActive: true }],
  ])('the claims of an HS256 token may have %s', (_name, changes, principal) => {
    expect(hs(changes).principal).toMatchObject(principal);
  });

  it.each<[string, object]>([
    ['no userId', { userId: undefined }],
    ['no userId, but sub', { userId: undefined, sub: 'user-1' }],
    ['an empty userId', { userId: '' }],
    ['a null userId', { userId: null }],
    ['a userId that is an array', { userId: ['user-1'] }],
    ['a userId with a NUL', { userId: 'user\0' }],
    ['a userId with half a surrogate pair', { userId: 'user\ud800' }],
    ['no isActive', { isActive: undefined }],
    ['isActive as a string', { isActive: 'true' }],
    ['isActive as a number', { isActive: 1 }],
    ['a null isActive', { isActive: null }],
    ['updateTo', { updateTo: 'new@example.com' }],
    ['requestType', { requestType: 'change-email-verification' }],
    ['session', { session: { id: 's' } }],
    ['user', { user: { id: 'u' } }],
    ['a null user', { user: null }],
    ['the audience of a session cookie', { aud: 'better-auth:session-cache' }],
    ['the audience of a session cookie among others', { aud: ['api', 'better-auth:session-cache'] }],
  ])('the claims of an HS256 token are refused with %s', async (_name, changes) => {
    expect(await refusalOf(() => hs(changes))).toBe('TOKEN_CLAIMS_INVALID');
  });

  it('the claims of an e-mailed link are refused', async () => {
    const link = { email: 'ada@example.com', userId: 'user-1', iat: NOW_SECONDS, exp: NOW_SECONDS + 3600 };
    expect(await refusalOf(() => checkClaims(null, link, hs256, NOW_MS))).toBe('TOKEN_CLAIMS_INVALID');
  });

  it.each<[string, object, string]>([
    ['another issuer', { iss: 'https://other.example.com', aud: 'api' }, 'TOKEN_ISSUER_MISMATCH'],
    ['no issuer', { aud: 'api' }, 'TOKEN_ISSUER_MISMATCH'],
    ['another audience', { iss: ISSUER, aud: 'shop' }, 'TOKEN_AUDIENCE_MISMATCH'],
    ['no audience', { iss: ISSUER }, 'TOKEN_AUDIENCE_MISMATCH'],
  ])(
    'the claims of an HS256 token are refused with %s when an issuer and an audience are configured',
    async (_name, changes, code) => {
      expect(await refusalOf(() => hs(changes, strictHs256))).toBe(code);
    },
  );

  it('the claims of an HS256 token are accepted when the configured issuer and audience both fit', () => {
    expect(hs({ iss: ISSUER, aud: ['shop', 'api'] }, strictHs256).principal.userId).toBe('user-1');
  });
});

describe('claims of an asymmetric token', () => {
  it('the claims of an asymmetric token need no more than a subject', () => {
    expect(as({})).toEqual({
      principal: {
        userId: 'user-1',
        email: '',
        role: '',
        organizationId: '',
        organizationRole: '',
        isActive: true,
        client: null,
      },
      issuedAt: null,
      expiresAt: NOW_SECONDS + 600,
    });
  });

  it.each<[string, object, object]>([
    ['userId alone', { sub: undefined, userId: 'user-2' }, { userId: 'user-2' }],
    ['userId and another sub', { userId: 'user-2' }, { userId: 'user-2' }],
    ['userId and an id that are the same', { userId: 'user-2', id: 'user-2' }, { userId: 'user-2' }],
    ['userId and an id that are the same, as a number', { userId: '7', id: 7 }, { userId: '7' }],
    ['sub and an id that are the same', { id: 'user-1' }, { userId: 'user-1' }],
    ['a null id', { id: null }, { userId: 'user-1' }],
    ['a null userId', { userId: null }, { userId: 'user-1' }],
    ['a null role', { role: null }, { role: '' }],
    ['role, email and organization', { role: 'admin', email: 'a@b.c' }, { role: 'admin', email: 'a@b.c' }],
    ['banned false', { banned: false }, { isActive: true }],
    ['banned null', { banned: null }, { isActive: true }],
    ['banned true', { banned: true }, { isActive: false }],
    ['isActive false', { isActive: false }, { isActive: false }],
    ['isActive true', { isActive: true }, { isActive: true }],
    ['the claims of a session', { session: {}, user: {} }, { userId: 'user-1' }],
  ])('the claims of an asymmetric token may have %s', (_name, changes, principal) => {
    expect(as(changes).principal).toMatchObject(principal);
  });

  it.each<[string, object]>([
    ['neither userId nor sub', { sub: undefined }],
    ['an empty sub', { sub: '' }],
    ['a sub that is a number', { sub: 1 }],
    ['an empty userId', { userId: '' }],
    ['a userId beside the row of another user', { id: 'user-1', userId: 'user-2' }],
    ['a subject beside the row of another user', { id: 'user-2' }],
    ['a subject and a userId beside the row of another user', { id: 'user-3', userId: 'user-2' }],
    ['an id that is a number, and another subject', { id: 7, sub: '8' }],
    ['an id that is none', { id: {} }],
    ['an id that cannot be made a text', { id: { toString: 1 } }],
    ['an id in a list', { id: ['user-1'] }],
    ['isActive as a string', { isActive: 'false' }],
    ['the audience of a session cookie', { aud: 'better-auth:session-cache' }],
  ])('the claims of an asymmetric token are refused with %s', async (_name, changes) => {
    expect(await refusalOf(() => as(changes))).toBe('TOKEN_CLAIMS_INVALID');
  });

  it.each<[string, object, string]>([
    ['another issuer', { iss: 'https://other.example.com' }, 'TOKEN_ISSUER_MISMATCH'],
    ['an issuer with one more slash', { iss: `${ISSUER}/` }, 'TOKEN_ISSUER_MISMATCH'],
    ['no issuer', { iss: undefined }, 'TOKEN_ISSUER_MISMATCH'],
    ['an issuer in an array', { iss: [ISSUER] }, 'TOKEN_ISSUER_MISMATCH'],
    ['another audience', { aud: 'shop' }, 'TOKEN_AUDIENCE_MISMATCH'],
    ['other audiences', { aud: ['shop', 'blog'] }, 'TOKEN_AUDIENCE_MISMATCH'],
    ['no audience', { aud: undefined }, 'TOKEN_AUDIENCE_MISMATCH'],
    ['an empty list of audiences', { aud: [] }, 'TOKEN_AUDIENCE_MISMATCH'],
    ['audiences in a list of lists', { aud: [[ISSUER]] }, 'TOKEN_AUDIENCE_MISMATCH'],
    ['an audience that is an object', { aud: { 0: ISSUER } }, 'TOKEN_AUDIENCE_MISMATCH'],
  ])('the claims of an asymmetric token are refused with %s', async (_name, changes, code) => {
    expect(await refusalOf(() => as(changes))).toBe(code);
  });

  it.each<[string, unknown]>([
    ['any of the configured audiences', 'api'],
    ['a list with one of them', ['shop', 'api']],
  ])('the claims of an asymmetric token are accepted with %s', (_name, aud) => {
    expect(as({ aud }).principal.userId).toBe('user-1');
  });
});

describe('the times of a token', () => {
  it.each<[string, object, string]>([
    ['exp now', { exp: NOW_SECONDS }, 'TOKEN_EXPIRED'],
    ['exp in the past', { exp: NOW_SECONDS - 1 }, 'TOKEN_EXPIRED'],
    ['exp in 1970', { exp: 0 }, 'TOKEN_EXPIRED'],
    ['exp in the past and iat in the future', { exp: NOW_SECONDS - 1, iat: NOW_SECONDS + 60 }, 'TOKEN_EXPIRED'],
    ['exp in the past and another issuer', { exp: NOW_SECONDS - 1, iss: 'https://o.example' }, 'TOKEN_EXPIRED'],
    ['nbf in 6 s', { nbf: NOW_SECONDS + 6 }, 'TOKEN_NOT_YET_VALID'],
    ['nbf in a little over 5 s', { nbf: NOW_SECONDS + 5.001 }, 'TOKEN_NOT_YET_VALID'],
    ['iat in 6 s', { iat: NOW_SECONDS + 6 }, 'TOKEN_NOT_YET_VALID'],
    ['no exp', { exp: undefined }, 'TOKEN_CLAIMS_INVALID'],
    ['a null exp', { exp: null }, 'TOKEN_CLAIMS_INVALID'],
    ['exp as a string', { exp: String(NOW_SECONDS + 60) }, 'TOKEN_CLAIMS_INVALID'],
    ['exp as a date', { exp: '2099-01-01T00:00:00Z' }, 'TOKEN_CLAIMS_INVALID'],
    ['exp in an array', { exp: [NOW_SECONDS + 60] }, 'TOKEN_CLAIMS_INVALID'],
    ['exp in milliseconds', { exp: NOW_MS + 60_000 }, 'TOKEN_CLAIMS_INVALID'],
    ['exp before 1970', { exp: -1 }, 'TOKEN_CLAIMS_INVALID'],
    ['nbf as a string', { nbf: '0' }, 'TOKEN_CLAIMS_INVALID'],
    ['iat as a string', { iat: '0' }, 'TOKEN_CLAIMS_INVALID'],
    ['iat in milliseconds', { iat: NOW_MS }, 'TOKEN_CLAIMS_INVALID'],
  ])('a token with %s is refused', async (_name, changes, code) => {
    expect(await refusalOf(() => hs(changes))).toBe(code);
    expect(await refusalOf(() => as(changes))).toBe(code);
  });

  it('a token with an exp that JSON reads as infinite is refused', async () => {
    const payload: JsonObject = { ...HS256_CLAIMS, exp: JSON.parse('1e999') };
    expect(await refusalOf(() => checkClaims(null, payload, hs256, NOW_MS))).toBe('TOKEN_CLAIMS_INVALID');
  });

  it.each<[string, object]>([
    ['exp in a millisecond', { exp: NOW_SECONDS + 0.001 }],
    ['exp at the end of the year 9999', { exp: 253_402_300_799 }],
    ['nbf in 5 s', { nbf: NOW_SECONDS + 5 }],
    ['iat in 5 s', { iat: NOW_SECONDS + 5 }],
    ['nbf long ago', { nbf: 0 }],
    ['no iat', { iat: undefined }],
    ['a null iat', { iat: null }],
    ['a null nbf', { nbf: null }],
  ])('a token with %s is accepted', (_name, changes) => {
    expect(hs(changes).principal.userId).toBe('user-1');
    expect(as(changes).principal.userId).toBe('user-1');
  });
});

/** Values that a column of an application's own may put where a text or a truth value is expected. */
const ODD: readonly unknown[] = [null, 7, 1.5, -1, 2 ** 53, true, false, '', 'x\0', 'x\ud800', [], ['a', 'b'], [7], {}];

describe('a claim without influence on the decision', () => {
  it.each(['email', 'role', 'orgRole', 'name', 'scope', 'client_id', 'events', 'azp', 'sid'])(
    'the claim %s never causes a refusal of the token, whatever its type',
    (claim) => {
      for (const value of [undefined, ...ODD]) {
        const text = JSON.stringify({ [claim]: value });
        expect(hs({ [claim]: value }).principal, text).toMatchObject({
          userId: 'user-1',
          isActive: true,
          client: null,
        });
        expect(as({ [claim]: value }).principal, text).toMatchObject({
          userId: 'user-1',
          isActive: true,
          client: null,
        });
      }
    },
  );

  it.each<[unknown, string]>([
    ['admin,user', 'admin,user'],
    [['admin', 'user'], 'admin,user'],
    [['admin', 7, null, ['x'], 'b\0'], 'admin'],
    [[], ''],
    [null, ''],
    [7, ''],
    [true, ''],
    [{ admin: true }, ''],
    ['x\0', ''],
  ])('the role %j of a token is reported as %j', (role, text) => {
    for (const claims of [hs, as]) {
      expect(claims({ role, orgRole: role }).principal).toMatchObject({ role: text, organizationRole: text });
    }
  });

  it('an e-mail address of a token that is not a text is reported as empty', () => {
    for (const email of [null, 7, ['ada@example.com'], {}]) {
      expect(hs({ email }).principal.email).toBe('');
      expect(as({ email }).principal.email).toBe('');
    }
  });
});

describe('the active organization of a token', () => {
  it.each<[unknown, string]>([
    ['org-1', 'org-1'],
    [7, '7'],
    [0, '0'],
    // Nothing that can be an id is no active organization: a question about it is denied.
    [null, ''],
    [1.5, ''],
    [-1, ''],
    [2 ** 53, ''],
    [true, ''],
    [['org-1'], ''],
    [{}, ''],
    ['o\0', ''],
  ])('the active organization of a token with the claim %j is the id %j', (organizationId, id) => {
    expect(hs({ organizationId }).principal.organizationId).toBe(id);
    expect(as({ organizationId }).principal.organizationId).toBe(id);
  });
});

describe('the user of a token', () => {
  it.each<[string, object, string]>([
    ['a userId that is an integer', { userId: 7 }, '7'],
    ['a userId that is an integer, and an id that is the same', { userId: 7, id: 7 }, '7'],
    ['a userId that is an integer, and an id that is the same as a text', { userId: 7, id: '7' }, '7'],
    ['a userId that is an integer, sub and an id that are the same', { userId: 7, sub: '7', id: 7 }, '7'],
    ['sub and an id that is an integer', { sub: '7', id: 7 }, '7'],
    // The whole row of a user whose id is a text: a number, a list or a truth value is no id of that table.
    ['a row with a column userId that is a number', { id: 'user-1', userId: 7 }, 'user-1'],
    ['a row with a column userId that is a list', { id: 'user-1', userId: ['user-2'] }, 'user-1'],
    ['a row with a column userId that is a truth value', { id: 'user-1', userId: true }, 'user-1'],
    ['a row with a column userId that is null', { id: 'user-1', userId: null }, 'user-1'],
  ])('the user of a token is named by %s', (_name, changes, userId) => {
    expect(as(changes).principal.userId).toBe(userId);
  });

  it('the user of a token is an integer in an HS256 token as well', () => {
    expect(hs({ userId: 7 }).principal.userId).toBe('7');
  });

  it.each<[string, object]>([
    ['a fraction', { userId: 1.5 }],
    ['a negative number', { userId: -1 }],
    ['an integer that JSON has rounded', { userId: 2 ** 53 }],
    ['a truth value', { userId: true }],
    ['a list', { userId: ['user-1'] }],
    ['an object', { userId: {} }],
    ['an empty text', { userId: '' }],
    ['a text with a NUL', { userId: 'user-1\0' }],
  ])('the user of a token is not named by %s', async (_name, changes) => {
    expect(await refusalOf(() => hs(changes))).toBe('TOKEN_CLAIMS_INVALID');
    expect(await refusalOf(() => as(changes))).toBe('TOKEN_CLAIMS_INVALID');
  });

  it.each<[string, object]>([
    ['another id of its table, both integers', { id: 7, sub: '7', userId: 8 }],
    ['another id of its table, integers as texts', { id: '7', sub: '7', userId: 8 }],
    ['another id of its table, both texts', { id: 'user-1', userId: 'user-2' }],
    ['an integer beside an id that is another subject', { id: 'user-2', userId: 7 }],
    ['a list beside an id that is another subject', { id: 'user-2', userId: ['user-1'] }],
    ['a sub that is a number', { sub: 7, id: 7 }],
  ])('the user of a token is not named by a row whose userId is %s', async (_name, changes) => {
    expect(await refusalOf(() => as(changes))).toBe('TOKEN_CLAIMS_INVALID');
  });
});

describe('whether the user of a token is active', () => {
  it.each<[string, object, boolean]>([
    ['isActive null', { isActive: null }, true],
    ['isActive null of a banned user', { isActive: null, banned: true }, false],
    ['isActive 0', { isActive: 0 }, false],
    ['isActive 1', { isActive: 1 }, true],
    ['isActive false of a user who is not banned', { isActive: false, banned: false }, false],
    ['banned 1', { banned: 1 }, false],
    ['banned 0', { banned: 0 }, true],
    ['banned null', { banned: null }, true],
    ['isActive true, whatever banned is', { isActive: true, banned: 'odd' }, true],
  ])('whether the user of a token is active follows from %s', (_name, changes, isActive) => {
    expect(as(changes).principal.isActive).toBe(isActive);
  });

  it.each(['isActive', 'banned'])('a token is refused when its claim %s is neither true nor false', async (claim) => {
    for (const value of [2, -1, 1.5, '', 'true', 'false', [], [true], {}]) {
      expect(await refusalOf(() => as({ [claim]: value })), JSON.stringify(value)).toBe('TOKEN_CLAIMS_INVALID');
    }
  });
});
