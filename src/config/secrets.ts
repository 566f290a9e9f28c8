/** Better Auth's secrets and Assent's signing keys, one or several. Pure; problems never hold a secret. */

const MIN_LENGTH = 32;
/** Better Auth's default secret. It is published in its source, and Better Auth itself refuses it in production. */
const PUBLISHED = 'better-auth-secret-12345678901234567890';

/** Secrets, newest first and each once, and the problems of their variables. */
interface Secrets {
  readonly value: readonly string[];
  readonly problems: readonly string[];
}

/**
 * @param secret `BETTER_AUTH_SECRET`.
 * @param secrets `BETTER_AUTH_SECRETS`, in the form `2:new,1:old`.
 * @returns The secrets of `secrets` first, in their order.
 */
export function parseSecrets(secret: string | null, secrets: string | null): Secrets {
  return checked([
    ...(secrets === null ? [] : listed('BETTER_AUTH_SECRETS', secrets)),
    ...(secret === null ? [] : [{ name: 'BETTER_AUTH_SECRET', text: secret }]),
  ]);
}

/** @param keys `ASSENT_SIGNING_KEY`: one key, or several in the form `2:new,1:old`. */
export function parseSigningKeys(keys: string | null): Secrets {
  const name = 'ASSENT_SIGNING_KEY';
  if (keys === null) return { value: [], problems: [] };
  return checked(VERSIONED_PART.test(keys) ? listed(name, keys) : [{ name, text: keys }]);
}

/** Matches a list: its entries have versions, and a single secret has none. */
const VERSIONED_PART = /(?:^|,)\s*\d+:/;

/** A secret with the name of its variable; or, with a null text, the problem of a list's entry as its name. */
interface Named {
  readonly name: string;
  readonly text: string | null;
}

function listed(variable: string, list: string): readonly Named[] {
  return list.split(',').map((part, index) => {
    const text = /^\s*\d+:(?<text>.*?)\s*$/s.exec(part)?.groups?.['text'];
    return text === undefined
      ? { name: `${variable} must have the form "2:new,1:old"; entry ${index + 1} has no version.`, text: null }
      : { name: `${variable}, entry ${index + 1},`, text };
  });
}

function checked(secrets: readonly Named[]): Secrets {
  const value = new Set<string>();
  const problems: string[] = [];
  for (const { name, text } of secrets) {
    if (text === null) problems.push(name);
    else if (text.length < MIN_LENGTH) problems.push(`${name} must have at least ${MIN_LENGTH} characters.`);
    else if (text === PUBLISHED) problems.push(`${name} must not be Better Auth's own default, which is published.`);
    else value.add(text);
  }
  return { value: [...value], problems };
}
