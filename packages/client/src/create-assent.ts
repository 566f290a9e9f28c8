/** `createAssent`: the client over gRPC. */
import {
  create,
  type DescMessage,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from '@bufbuild/protobuf';
import {
  Consistency,
  GetOrganizationRequestSchema,
  GetOrganizationResponseSchema,
  GetUserRequestSchema,
  GetUserResponseSchema,
  ListPermissionsRequestSchema,
  ListPermissionsResponseSchema,
  ListUserOrganizationsRequestSchema,
  ListUserOrganizationsResponseSchema,
  VerifyTokenRequestSchema,
  VerifyTokenResponseSchema,
} from '../../../gen/assent/auth/v1/auth_service_pb.ts';
import { membershipOf, organizationOf, permissionsOf, userOf, verifiedOf } from './answers.ts';
import { checkedTarget, checkId, checkPermission, checkToken } from './arguments.ts';
import type { Assent, CallOptions } from './assent.ts';
import { createChecks } from './checks.ts';
import { encodeCheck } from './encode.ts';
import { AssentError } from './errors.ts';
import type { AssentOptions } from './options.ts';
import { createTransport, timeoutOf } from './transport.ts';
import type { AllowedDecision, Decision, Membership, Target } from './types.ts';
import { createWarnings } from './warnings.ts';

const PAGE_SIZE = 500;

/**
 * Makes a client. It connects at its first call and needs `close()` for the process to end by itself.
 *
 * Defaults: 1 s a call; after 250 ms without an answer one more attempt on another connection, for at most a tenth of the
 * calls; retries of UNAVAILABLE and of an overload within the call's time and a budget; reconnects after 100 to 800 ms; keepalive
 * after 10 s, answered within 2 s; all addresses behind a name in turn, by their health.
 * @typeParam Permission The permission names, as `assent-policy types` writes them: a misspelt one does not compile.
 * @throws {AssentError} `MISCONFIGURED` when an option is missing or malformed; its reason and message name the option.
 */
export function createAssent<Permission extends string = string>(options: AssentOptions): Assent<Permission> {
  const transport = createTransport(options);
  const checks = createChecks(transport.send, options.batching ?? true);
  const warnings = createWarnings(options.logger === undefined ? console : options.logger);

  const check: Assent<Permission>['check'] = async (target, permission, callOptions = {}) => {
    const checked = checkedTarget(target);
    checkPermission(permission);
    const full = callOptions.consistency === 'full';
    const message = encodeCheck(checked, permission, full);
    const timeoutMs = callOptions.timeoutMs === undefined ? null : timeoutOf(callOptions.timeoutMs);
    const decision = await settled<Decision>(callOptions.signal, (done) =>
      checks.ask(message.toString('latin1'), message, timeoutMs, done),
    );
    if (decision.reason === 'UNKNOWN_PERMISSION') warnings.unknownPermission(permission);
    return decision;
  };

  const call = async <Request extends DescMessage, Response extends DescMessage>(
    method: string,
    request: Request,
    response: Response,
    value: MessageInitShape<Request>,
    { signal, timeoutMs }: CallOptions = {},
  ): Promise<MessageShape<Response>> => {
    const message = Buffer.from(toBinary(request, create(request, value)));
    const time = timeoutMs === undefined ? null : timeoutOf(timeoutMs);
    const answer = await settled<Uint8Array>(signal, (done) => transport.send(method, message, time, done));
    return fromBinary(response, answer);
  };

  return {
    check,
    can: async (target, permission, callOptions) => (await check(target, permission, callOptions)).allowed,
    require: async (target, permission, callOptions) =>
      allowed(await check(target, permission, callOptions), permission),
    verify: async (token, callOptions) => {
      checkToken(token);
      const answer = await call(
        'VerifyToken',
        VerifyTokenRequestSchema,
        VerifyTokenResponseSchema,
        { token },
        callOptions,
      );
      const verified = verifiedOf(answer);
      if (verified === null) throw new AssentError('UNAVAILABLE', 'INTERNAL', 'an answer without a principal');
      return verified;
    },
    permissions: async (target, callOptions = {}) => {
      const consistency = callOptions.consistency === 'full' ? Consistency.FULL : Consistency.UNSPECIFIED;
      const value = { ...messageOf(target), consistency };
      return permissionsOf<Permission>(
        await call('ListPermissions', ListPermissionsRequestSchema, ListPermissionsResponseSchema, value, callOptions),
      );
    },
    user: async (lookup, callOptions) => {
      const [[name = '', value] = []] = Object.entries(lookup);
      checkId(name, value);
      const by = { lookup: { case: name === 'id' ? ('userId' as const) : ('email' as const), value } };
      const answer = await orNull(call('GetUser', GetUserRequestSchema, GetUserResponseSchema, by, callOptions));
      return answer?.user === undefined ? null : userOf(answer.user);
    },
    organization: async (lookup, callOptions) => {
      const [[name = '', value] = []] = Object.entries(lookup);
      checkId(name, value);
      const by = { lookup: { case: name === 'id' ? ('organizationId' as const) : ('slug' as const), value } };
      const answer = await orNull(
        call('GetOrganization', GetOrganizationRequestSchema, GetOrganizationResponseSchema, by, callOptions),
      );
      return answer?.organization === undefined ? null : organizationOf(answer.organization);
    },
    organizations: async (userId, callOptions) => {
      checkId('user', userId);
      const memberships: Membership[] = [];
      let pageToken = '';
      do {
        const page = await call(
          'ListUserOrganizations',
          ListUserOrganizationsRequestSchema,
          ListUserOrganizationsResponseSchema,
          { userId, pageSize: PAGE_SIZE, pageToken },
          callOptions,
        );
        memberships.push(...page.memberships.map(membershipOf).filter((one) => one !== null));
        pageToken = page.nextPageToken;
      } while (pageToken !== '');
      return memberships;
    },
    ready: ({ signal, timeoutMs } = {}) =>
      settled<void>(signal, (done) => transport.ready(timeoutMs === undefined ? null : timeoutOf(timeoutMs), done)),
    close: () => transport.close(),
    [Symbol.dispose]: () => transport.close(),
  };
}

/** @throws {AssentError} `DENIED` when the decision is no. */
export function allowed(decision: Decision, permission: string): AllowedDecision {
  if (decision.allowed) return decision as AllowedDecision;
  const message = `${permission} is denied: ${decision.reason}`;
  throw new AssentError('DENIED', decision.reason, message, { decision });
}

/** The result of work that calls back, or the signal's reason. */
function settled<Answer>(
  signal: AbortSignal | undefined,
  start: (done: (error: unknown, answer: Answer | null) => void) => () => void,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    if (signal === undefined) {
      start((error, answer) => (error === null ? resolve(answer as Answer) : reject(error)));
      return;
    }
    signal.throwIfAborted();
    const abort = (): void => {
      reject(signal.reason);
      stop();
    };
    signal.addEventListener('abort', abort, { once: true });
    const stop = start((error, answer) => {
      signal.removeEventListener('abort', abort);
      if (error === null) resolve(answer as Answer);
      else reject(error);
    });
  });
}

function messageOf(target: Target): Pick<MessageInitShape<typeof ListPermissionsRequestSchema>, 'subject' | 'scope'> {
  const { user, token, organization, platform } = checkedTarget(target);
  return {
    subject: user === null ? { case: 'token', value: token ?? '' } : { case: 'userId', value: user },
    ...(organization === null ? {} : { scope: { case: 'organizationId', value: organization } }),
    ...(platform ? { scope: { case: 'platform', value: {} } } : {}),
  };
}

async function orNull<Answer>(answer: Promise<Answer>): Promise<Answer | null> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof AssentError && /^(?:USER|ORGANIZATION)_NOT_FOUND$/.test(error.reason)) return null;
    throw error;
  }
}
