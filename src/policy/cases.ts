/**
 * Cases of a policy as data: facts, questions and the expected answers. docs/use/policy.md describes the format, which
 * `npm run policy -- test` and test/cases use.
 */
import { parsePermission } from '@assent/policy-format';
import { parse } from 'yaml';
import { z } from 'zod';
import { type Decision, decide } from './decide.ts';
import type { Facts } from './facts.ts';
import { parsePolicy } from './file.ts';
import type { Policy } from './grants.ts';

/** A file of cases, ready to run. */
export interface CaseFile {
  readonly policy: Policy;
  /** The time of the cases that have none, in milliseconds since the epoch. */
  readonly now: number;
  readonly cases: readonly PolicyCase[];
}

export type PolicyCase = z.infer<typeof caseSchema>;

/** The file of cases has problems; the message has a line for each. */
export class CaseFileError extends Error {
  override readonly name = 'CaseFileError';
}

const moment = z.iso.datetime({ offset: true }).transform((text) => Date.parse(text));

const userSchema = z
  .strictObject({
    roles: z.array(z.string()).default([]),
    banned: z.boolean().default(false),
    banExpires: moment.nullable().default(null),
  })
  .transform(({ roles, banned, banExpires }) => ({ roles, ban: banned ? { until: banExpires } : null }));

const organizationSchema = z
  .strictObject({
    status: z.enum(['present', 'absent', 'disabled']).default('present'),
    roles: z.array(z.string()).nullable().default(null),
    dynamicRoles: z
      .array(z.strictObject({ role: z.string(), grants: z.array(z.tuple([z.string(), z.string()])) }))
      .default([]),
  })
  .transform(({ status, roles, dynamicRoles }) => ({ status, memberRoles: roles, dynamicRoles }));

const caseSchema = z.strictObject({
  name: z.string().min(1),
  user: userSchema.nullable().default({ roles: [], ban: null }),
  /** Null for a question about the whole platform. */
  organization: organizationSchema.nullable().default(null),
  userId: z.string().default('user'),
  /** The scopes of the access token by which an application asks; null when the user asks. */
  scopes: z.array(z.string()).nullable().default(null),
  ask: z.string(),
  now: moment.optional(),
  expect: z.strictObject({
    allowed: z.boolean(),
    reason: z.string().optional(),
    grantedBy: z.string().optional(),
    roles: z.array(z.string()).optional(),
  }),
});

const fileSchema = z.strictObject({
  /** The path of a policy file relative to this one, or the text of a policy. */
  policy: z.string(),
  now: moment.default(Date.parse('2026-01-01T00:00:00Z')),
  cases: z.array(caseSchema).min(1),
});

/**
 * Parses a file of cases.
 * @param readPolicy Reads the policy file that `policy` names.
 * @throws {CaseFileError} for the file itself, {PolicyError} for its policy.
 */
export function parseCaseFile(text: string, file: string, readPolicy: (path: string) => string): CaseFile {
  let value: unknown;
  try {
    value = parse(text);
  } catch (error) {
    throw new CaseFileError(`${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
  const parsed = fileSchema.safeParse(value);
  if (!parsed.success) {
    throw new CaseFileError(
      parsed.error.issues.map(({ path, message }) => `${file}: ${path.join('.')}: ${message}`).join('\n'),
    );
  }
  const { policy, now, cases } = parsed.data;
  const inline = policy.includes('\n');
  return { policy: inline ? parsePolicy(policy, file) : parsePolicy(readPolicy(policy), policy), now, cases };
}

const EXPECTED = ['allowed', 'reason', 'grantedBy', 'roles'] as const;

/** Runs one case. Returns null when the answer is the expected one, else the difference. */
export function runCase({ policy, now }: CaseFile, one: PolicyCase): string | null {
  const permission = parsePermission(one.ask);
  if (permission === null) return `ask must be resource:action, and is ${JSON.stringify(one.ask)}`;
  const facts: Facts = { user: one.user, organization: one.organization };
  const question = { userId: one.userId, scopes: one.scopes, ...permission };
  const answer: Decision = decide(policy, facts, question, one.now ?? now);
  const wrong = EXPECTED.filter(
    (key) => one.expect[key] !== undefined && JSON.stringify(one.expect[key]) !== JSON.stringify(answer[key]),
  );
  if (wrong.length === 0) return null;
  return wrong
    .map((key) => `${key} is ${JSON.stringify(answer[key])}, expected ${JSON.stringify(one.expect[key])}`)
    .join('; ');
}
