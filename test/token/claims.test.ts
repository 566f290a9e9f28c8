import { describe, expect, it } from 'vitest';
import { type ClaimRules, checkClaims } from '../../src/token/claims.ts';
import type { JsonObject } from '../../src/token/json.ts';
import { ASYMMETRIC_CLAIMS, HS256_CLAIMS, ISSUER, NOW_MS, NOW_SECONDS, refusalOf } from './support.ts';

const hs256: ClaimRules = { family: 'hs256', issuer: null, audiences: null };
const strictHs256: ClaimRules = { family: 'hs256', issuer: ISSUER, audiences: ['api'] };
const asymmetric: ClaimRules = { family: 'asymmetric', issuer: ISSUER, audiences: [ISSUER, 'api'] };

/** The claims with changes; undefined leaves one out. */
const change = (claims: object, changes: object): JsonObject => JSON.parse(JSON.stringify({ ...claims, ...changes }));

const hs = (changes: object, rules = hs256) => checkClaims(null, change(HS256_CLAIMS, changes), rules, NOW_MS);
const as = (changes: object, rules = asymmetric) =>
  checkClaims(null, change(ASYMMETRIC_CLAIMS, changes), rules, NOW_MS);

describe('claims of an HS256 token', () => {
  it('become the principal', () => {
    expect(hs({ organizationId: 'org-1', orgRole: 'staff', sub: 'ignored', somethingElse: 1 })).toEqual({
      principal: {
        userId: 'user-1',
        email: 'ada@example.com',
        role: 'user',
        organizationId: 'org-1',
        organizationRole: 'staff',
        isActive: true,
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
  ])('may have %s', (_name, changes, principal) => {
    expect(hs(changes).principal).toMatchObject(principal);
  });

  it.each<[string, object]>([
    ['no userId', { userId: undefined }],
    ['no userId, but sub', { userId: undefined, sub: 'user-1' }],
    ['an empty userId', { userId: '' }],
    ['a null userId', { userId: null }],
    ['a userId that is a number', { userId: 1 }],
    ['a userId that is an array', { userId: ['user-1'] }],
    ['a userId with a NUL', { userId: 'user\0' }],
    ['a userId with half a surrogate pair', { userId: 'user\ud800' }],
    ['no email', { email: undefined }],
    ['a null email', { email: null }],
    ['no role', { role: undefined }],
    ['a role that is an array', { role: ['user'] }],
    ['no isActive', { isActive: undefined }],
    ['isActive as a string', { isActive: 'true' }],
    ['isActive as a number', { isActive: 1 }],
    ['a null isActive', { isActive: null }],
    ['an organizationId that is a number', { organizationId: 1 }],
    ['an orgRole that is an array', { orgRole: ['staff'] }],
    ['updateTo', { updateTo: 'new@example.com' }],
    ['requestType', { requestType: 'change-email-verification' }],
    ['session', { session: { id: 's' } }],
    ['user', { user: { id: 'u' } }],
    ['a null user', { user: null }],
    ['the audience of a session cookie', { aud: 'better-auth:session-cache' }],
    ['the audience of a session cookie among others', { aud: ['api', 'better-auth:session-cache'] }],
  ])('are refused with %s', async (_name, changes) => {
    expect(await refusalOf(() => hs(changes))).toBe('TOKEN_CLAIMS_INVALID');
  });

  it('are those of a mailed link when nothing else is there', async () => {
    const link = { email: 'ada@example.com', userId: 'user-1', iat: NOW_SECONDS, exp: NOW_SECONDS + 3600 };
    expect(await refusalOf(() => checkClaims(null, link, hs256, NOW_MS))).toBe('TOKEN_CLAIMS_INVALID');
  });

  it.each<[string, object, string]>([
    ['another issuer', { iss: 'https://other.example.com', aud: 'api' }, 'TOKEN_ISSUER_MISMATCH'],
    ['no issuer', { aud: 'api' }, 'TOKEN_ISSUER_MISMATCH'],
    ['another audience', { iss: ISSUER, aud: 'shop' }, 'TOKEN_AUDIENCE_MISMATCH'],
    ['no audience', { iss: ISSUER }, 'TOKEN_AUDIENCE_MISMATCH'],
  ])('with a set issuer and audience are refused with %s', async (_name, changes, code) => {
    expect(await refusalOf(() => hs(changes, strictHs256))).toBe(code);
  });

  it('with a set issuer and audience are taken when both fit', () => {
    expect(hs({ iss: ISSUER, aud: ['shop', 'api'] }, strictHs256).principal.userId).toBe('user-1');
  });
});

describe('claims of an asymmetric token', () => {
  it('need no more than a subject', () => {
    expect(as({})).toEqual({
      principal: { userId: 'user-1', email: '', role: '', organizationId: '', organizationRole: '', isActive: true },
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
  ])('may have %s', (_name, changes, principal) => {
    expect(as(changes).principal).toMatchObject(principal);
  });

  it.each<[string, object]>([
    ['neither userId nor sub', { sub: undefined }],
    ['an empty sub', { sub: '' }],
    ['a sub that is a number', { sub: 1 }],
    ['an empty userId', { userId: '' }],
    ['a userId that is a number', { userId: 1 }],
    ['a userId beside a whole user who is somebody else', { id: 'user-1', userId: 'user-2' }],
    ['a subject beside a whole user who is somebody else', { id: 'user-2' }],
    ['a subject and a userId beside a whole user who is somebody else', { id: 'user-3', userId: 'user-2' }],
    ['an id that is a number, and another subject', { id: 7, sub: '8' }],
    ['an id that is none', { id: {} }],
    ['an id that cannot be made a text', { id: { toString: 1 } }],
    ['an id in a list', { id: ['user-1'] }],
    ['an email that is a number', { email: 1 }],
    ['isActive as a string', { isActive: 'false' }],
    ['a null isActive', { isActive: null }],
    ['the audience of a session cookie', { aud: 'better-auth:session-cache' }],
  ])('are refused with %s', async (_name, changes) => {
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
  ])('are refused with %s', async (_name, changes, code) => {
    expect(await refusalOf(() => as(changes))).toBe(code);
  });

  it.each<[string, unknown]>([
    ['any of the configured audiences', 'api'],
    ['a list with one of them', ['shop', 'api']],
  ])('are taken with %s', (_name, aud) => {
    expect(as({ aud }).principal.userId).toBe('user-1');
  });
});

describe('the type of a session cookie', () => {
  it.each([
    'better-auth.session-cache+jwt',
    'Better-Auth.Session-Cache+JWT',
    'application/better-auth.session-cache+jwt',
    'APPLICATION/better-auth.session-cache+jwt',
  ])('%s is refused in both families', async (typ) => {
    const check = (claims: object, rules: ClaimRules) =>
      refusalOf(() => checkClaims(typ, change(claims, {}), rules, NOW_MS));
    expect(await check(HS256_CLAIMS, hs256)).toBe('TOKEN_CLAIMS_INVALID');
    expect(await check(ASYMMETRIC_CLAIMS, asymmetric)).toBe('TOKEN_CLAIMS_INVALID');
  });

  it.each(['JWT', 'at+jwt', ''])('%j is another one', (typ) => {
    expect(checkClaims(typ, change(HS256_CLAIMS, {}), hs256, NOW_MS).principal.userId).toBe('user-1');
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
    ['a null nbf', { nbf: null }, 'TOKEN_CLAIMS_INVALID'],
    ['iat as a string', { iat: '0' }, 'TOKEN_CLAIMS_INVALID'],
    ['iat in milliseconds', { iat: NOW_MS }, 'TOKEN_CLAIMS_INVALID'],
    ['a null iat', { iat: null }, 'TOKEN_CLAIMS_INVALID'],
  ])('%s: refused', async (_name, changes, code) => {
    expect(await refusalOf(() => hs(changes))).toBe(code);
    expect(await refusalOf(() => as(changes))).toBe(code);
  });

  it('refuses an exp that JSON reads as infinite', async () => {
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
  ])('%s: taken', (_name, changes) => {
    expect(hs(changes).principal.userId).toBe('user-1');
    expect(as(changes).principal.userId).toBe('user-1');
  });
});
