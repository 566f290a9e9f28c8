/** The accepted tokens: the secrets of HS256, and the issuers with published keys. */
import { parse, YAMLParseError } from 'yaml';
import { z } from 'zod';
import type { IssuerConfig } from '../token/jwks-sources.ts';
import { parseTokenType, TOKEN_TYPES, type TokenType } from '../token/kind.ts';
import type { Reader } from './reader.ts';
import { parseSecrets } from './secrets.ts';

export interface TokensConfig {
  /** Secrets of HS256 tokens, newest first; empty when HS256 is refused. */
  readonly hs256: {
    readonly secrets: readonly string[];
    /** Null: not checked. */
    readonly issuer: string | null;
    /** Null: not checked. */
    readonly audiences: readonly string[] | null;
    readonly types: readonly TokenType[];
  };
  /** Issuers of tokens that are signed with published keys; empty when such tokens are refused. */
  readonly issuers: readonly IssuerConfig[];
  /** How long a key of the `jwks` table verifies after its `expiresAt`, in milliseconds. */
  readonly jwksGraceMs: number;
}

/**
 * Reads the variables of tokens and the file `ASSENT_ISSUERS`. The variables describe one issuer, and the file describes
 * others. An issuer in both is a problem, since the two descriptions may differ.
 */
export function readTokens(read: Reader): TokensConfig {
  const secrets = read.parsed('', parseSecrets(read.text('BETTER_AUTH_SECRET'), read.text('BETTER_AUTH_SECRETS')));
  const types = readTypes(read);
  const file = read.file('ASSENT_ISSUERS');
  const listed = file === null ? [] : read.parsed('ASSENT_ISSUERS', parseIssuers(file));
  const single = readSingleIssuer(read, types, read.text('ASSENT_ISSUERS') !== null);
  if (listed.some(({ issuer }) => issuer === single?.issuer)) {
    read.problem(
      `ASSENT_ISSUERS names ${single?.issuer}, and so do ASSENT_JWT_ISSUER or BETTER_AUTH_URL: leave one of them out. With ASSENT_JWKS=off the file alone counts.`,
    );
  }
  if (secrets.length === 0 && single === null && file === null && read.text('ASSENT_JWKS') === 'off') {
    read.problem('BETTER_AUTH_SECRET must be set when ASSENT_JWKS is off: no token could be verified.');
  }
  return {
    hs256: {
      secrets,
      issuer: read.text('ASSENT_HS256_ISSUER'),
      audiences: readList(read, 'ASSENT_HS256_AUDIENCE'),
      types,
    },
    issuers: single === null ? listed : [single, ...listed],
    jwksGraceMs: read.integer('ASSENT_JWKS_GRACE_SECONDS', 30 * DAY_SECONDS, 0, 3650 * DAY_SECONDS) * 1_000,
  };
}

const DAY_SECONDS = 86_400;

/** Texts separated by commas; null when the variable is not set. */
function readList(read: Reader, name: string): readonly string[] | null {
  const items =
    read
      .text(name)
      ?.split(',')
      .map((item) => item.trim()) ?? null;
  if (items?.includes('') === true)
    read.problem(`${name} must be one value, or several separated by commas; one is empty.`);
  return items;
}

function readTypes(read: Reader): readonly TokenType[] {
  const types = new Set<TokenType>();
  for (const text of readList(read, 'ASSENT_JWT_TYPES') ?? [TOKEN_TYPES[0]]) {
    const type = parseType(text);
    if ('value' in type) types.add(type.value);
    else if (text !== '') read.problem(`ASSENT_JWT_TYPES ${type.problem}.`);
  }
  return [...types];
}

/**
 * The issuer of the single variables.
 * @param optional True when there may be none, because a file lists others.
 */
function readSingleIssuer(read: Reader, types: readonly TokenType[], optional: boolean): IssuerConfig | null {
  const source = read.text('ASSENT_JWKS');
  const named = { issuer: read.text('ASSENT_JWT_ISSUER'), audiences: readList(read, 'ASSENT_JWT_AUDIENCE') };
  if (source === 'off') return null;
  const baseUrl = read.url('BETTER_AUTH_URL', ['http:', 'https:']);
  const origin = baseUrl === null ? null : new URL(baseUrl).origin;
  const issuer = named.issuer ?? origin;
  const audiences = named.audiences ?? (origin === null ? null : [origin]);
  const unset = source === null && named.issuer === null && named.audiences === null;
  if (optional && unset && read.text('BETTER_AUTH_URL') === null) return null;
  const missing = [
    ...(issuer === null ? ['ASSENT_JWT_ISSUER'] : []),
    ...(audiences === null ? ['ASSENT_JWT_AUDIENCE'] : []),
  ];
  if (missing.length > 0 && read.text('BETTER_AUTH_URL') === null) {
    read.problem(
      `${missing.join(' and ')} must be set, or BETTER_AUTH_URL, from whose origin both follow: the issuer and the audience of tokens signed with published keys are always checked. ASSENT_JWKS=off accepts HS256 tokens only.`,
    );
  }
  const keys = parseKeys(source ?? 'database');
  if ('problem' in keys) {
    return read.problem(`ASSENT_JWKS ${keys.problem}. ASSENT_JWKS=off refuses tokens signed with published keys.`);
  }
  return issuer === null || audiences === null ? null : { issuer, keys: keys.value, audiences, types };
}

const name = z.string('must be text').min(1, 'must not be empty');
const names = z.array(name, 'must be a list').min(1, 'must name at least one');

const issuerSchema = z.strictObject({
  issuer: name,
  keys: name.transform((text, context) => orIssue(parseKeys(text), context)),
  audiences: names,
  types: z
    .array(
      name.transform((text, context) => orIssue(parseType(text), context)),
      'must be a list',
    )
    .min(1, 'must name at least one')
    .default([TOKEN_TYPES[0]]),
});

const fileSchema = z.strictObject({
  issuers: z
    .array(issuerSchema, 'must be a list')
    .min(1, 'must have at least one')
    .superRefine((issuers, context) => {
      for (const [index, { issuer }] of issuers.entries()) {
        if (issuers.findIndex((other) => other.issuer === issuer) === index) continue;
        context.addIssue({ code: 'custom', path: [index, 'issuer'], message: `names ${issuer} again` });
      }
    }),
});

/** The file of issuers: `issuers: [{ issuer, keys, audiences, types }]`. */
function parseIssuers(text: string): { readonly value: readonly IssuerConfig[]; readonly problems: readonly string[] } {
  let value: unknown;
  try {
    // Without excerpts of the file: a URL in it, or another file by mistake, may hold secrets.
    value = parse(text, { prettyErrors: false });
  } catch (error) {
    const place = error instanceof YAMLParseError ? ` at character ${error.pos[0]} (${error.code})` : '';
    return { value: [], problems: [`is not YAML${place}.`] };
  }
  const parsed = fileSchema.safeParse(value);
  if (parsed.success) return { value: parsed.data.issuers, problems: [] };
  const problems = parsed.error.issues.map(
    (issue) =>
      `${['the file', ...issue.path].join('.')}: ${issue.code === 'unrecognized_keys' ? unknownKeys(issue.keys) : issue.message}.`,
  );
  return { value: [], problems };
}

/** Names the unknown keys that are words. Any other key may be a secret, when the setting names another file by mistake. */
function unknownKeys(keys: readonly string[]): string {
  const words = keys.filter((key) => /^[A-Za-z_]{1,40}$/.test(key));
  return `has ${words.length > 0 ? `the unknown key ${words.join(', ')}` : 'a key that is not known'}; known are issuer, keys, audiences and types`;
}

/** A value, or the problem of its text. */
type Parsed<T> = { readonly value: T } | { readonly problem: string };

function orIssue<T>(parsed: Parsed<T>, context: z.RefinementCtx): T {
  if ('value' in parsed) return parsed.value;
  context.addIssue({ code: 'custom', message: parsed.problem });
  return z.NEVER;
}

function parseKeys(text: string): Parsed<IssuerConfig['keys']> {
  if (text === 'database') return { value: text };
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !/^https?:$/.test(url.protocol)) {
    return { problem: 'must be "database" or an http(s) URL of a JWKS document' };
  }
  if (url.username !== '' || url.password !== '') return { problem: 'must be a URL without a user or password' };
  return { value: url };
}

function parseType(text: string): Parsed<TokenType> {
  const value = parseTokenType(text);
  return value === null
    ? { problem: `names a kind that is not known; the known kinds are ${TOKEN_TYPES.join(' and ')}` }
    : { value };
}
