/** Better Auth's secrets, in its two forms. Pure; problems never hold a secret. */

const MIN_LENGTH = 32;
/** What Better Auth itself refuses in production: it stands in its source, and whoever reads that could sign tokens. */
const PUBLISHED = 'better-auth-secret-12345678901234567890';

/**
 * @param secret `BETTER_AUTH_SECRET`.
 * @param secrets `BETTER_AUTH_SECRETS`, in the form `2:new,1:old`.
 * @returns Each secret once, those of `secrets` first and in their order.
 */
export const parseSecrets = (
  secret: string | null,
  secrets: string | null,
): { readonly value: readonly string[]; readonly problems: readonly string[] } => {
  const value: string[] = [];
  const problems: string[] = [];
  const add = (name: string, text: string): void => {
    if (text.length < MIN_LENGTH) problems.push(`${name} must have at least ${MIN_LENGTH} characters.`);
    else if (text === PUBLISHED)
      problems.push(`${name} must not be Better Auth's own default, which everybody can read.`);
    else if (!value.includes(text)) value.push(text);
  };
  for (const [index, part] of (secrets?.split(',') ?? []).entries()) {
    const match = /^\s*(?<version>\d+):(?<text>.*?)\s*$/s.exec(part);
    const text = match?.groups?.['text'];
    if (text === undefined)
      problems.push(`BETTER_AUTH_SECRETS must have the form "2:new,1:old"; entry ${index + 1} has no version.`);
    else add(`BETTER_AUTH_SECRETS, entry ${index + 1},`, text);
  }
  if (secret !== null) add('BETTER_AUTH_SECRET', secret);
  return { value, problems };
};
