/** What every scenario shares: PostgreSQL, Redis and NATS with a population, and callers with tokens. */
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create, toBinary } from '@bufbuild/protobuf';
import { createWorld, type World } from '../bench/world.ts';
import { CheckPermissionRequestSchema } from '../gen/assent/auth/v1/auth_service_pb.ts';
import { type Certificate, createAuthority } from '../tools/network/certificates.ts';
import type { HonestQuestion } from './honest-caller.ts';

/** The callers that the service knows. */
export const CALLERS = ['honest', 'a', 'b'] as const;
export type Caller = (typeof CALLERS)[number];

export interface SiegeWorld {
  readonly world: World;
  /** The service's environment: everything on, and callers by tokens. */
  readonly environment: Readonly<Record<string, string>>;
  /** What the environment has on top with TLS, and the authority of the certificate. */
  readonly tls: { readonly environment: Readonly<Record<string, string>>; readonly ca: string };
  token(caller: Caller): string;
  /** Checks of members with their right answers. */
  readonly questions: readonly HonestQuestion[];
}

const QUESTIONS = 40;
/** Granted by staff and above in the demo's policy, not by viewer. */
const PERMISSION = 'data:write';

/** Starts everything; `stack` stops it. */
export async function createSiegeWorld(stack: AsyncDisposableStack): Promise<SiegeWorld> {
  const folder = await mkdtemp(join(tmpdir(), 'assent-siege-'));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  const world = await createWorld(stack);
  const tokens = new Map(CALLERS.map((name) => [name, randomBytes(24).toString('base64url')]));
  const token = (caller: Caller): string => tokens.get(caller) ?? '';
  const lines = CALLERS.map((name) => `${name}: ${createHash('sha256').update(token(name)).digest('hex')}\n`);
  const callers = join(folder, 'callers');
  await writeFile(callers, lines.join(''), { mode: 0o600 });
  const authority = createAuthority('siege');
  const certificate: Certificate = authority.issue('assent');
  const files = { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') };
  await writeFile(files.cert, certificate.cert);
  await writeFile(files.key, certificate.key, { mode: 0o600 });
  return {
    world,
    environment: { ...world.environment, ASSENT_CALLER_TOKENS: callers },
    tls: { environment: { ASSENT_TLS_CERT: files.cert, ASSENT_TLS_KEY: files.key }, ca: authority.cert },
    token,
    questions: world.memberships(QUESTIONS).map(({ userId, organizationId, role }) => ({
      body: Buffer.from(checkOf(userId, organizationId)).toString('base64'),
      json: JSON.stringify({ userId, organizationId, permission: PERMISSION }),
      allowed: role !== 'viewer',
    })),
  };
}

/** The message of a check. */
export function checkOf(userId: string, organizationId: string): Uint8Array {
  const scope = { case: 'organizationId', value: organizationId } as const;
  return toBinary(
    CheckPermissionRequestSchema,
    create(CheckPermissionRequestSchema, { subject: { case: 'userId', value: userId }, scope, permission: PERMISSION }),
  );
}
