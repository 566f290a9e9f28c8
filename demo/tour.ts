/** The guided tour: what is asked, what is answered, how long it took, and whether that is what it should be. */
import type { DescEnum } from '@bufbuild/protobuf';
import { type Client, ConnectError } from '@connectrpc/connect';
import {
  type AuthService,
  type CheckPermissionResponse,
  Reason,
  ReasonSchema,
  SourceSchema,
} from '../gen/assent/auth/v1/auth_service_pb.ts';
import { ErrorInfoSchema } from '../gen/google/rpc/error_details_pb.ts';
import type { Application } from './application/server.ts';
import { type CommitClock, measureFlip } from './flip.ts';
import type { OwnTime } from './own-time.ts';
import { milliseconds } from './print.ts';
import type { Scene } from './scene.ts';
import { createSteps, type Outcome, type Step, timed, unlessEnded } from './steps.ts';

export interface TourOptions {
  readonly application: Application;
  readonly scene: Scene;
  readonly client: Client<typeof AuthService>;
  readonly ownTime: OwnTime;
  /** Null where the application cannot publish events; the steps of a change are then left out. */
  readonly commits: CommitClock | null;
}

export interface TourReport {
  readonly steps: number;
  /** The titles of the steps that did not hold. */
  readonly failed: readonly string[];
  readonly leftOut: readonly string[];
  /** What the changes did to the decision, and how soon. */
  readonly flips: readonly string[];
}

const PERMISSION = 'leave:approve';

const nameOf = ({ values }: DescEnum, value: number): string =>
  values.find(({ number }) => number === value)?.name ?? String(value);

const describeDecision = ({ allowed, reason, roles, grantedBy, source }: CheckPermissionResponse): string =>
  [
    allowed ? 'allowed' : 'denied',
    nameOf(ReasonSchema, reason),
    `roles ${roles.join(', ') || 'none'}`,
    ...(grantedBy === '' ? [] : [`granted by ${grantedBy}`]),
    nameOf(SourceSchema, source),
  ].join(' · ');

/** The same token with another role in its payload, under the old signature. */
const tamper = (token: string): string => {
  const [header = '', payload = '', signature = ''] = token.split('.');
  const claims: Record<string, unknown> = JSON.parse(Buffer.from(payload, 'base64url').toString());
  const forged = Buffer.from(JSON.stringify({ ...claims, role: 'superadmin' })).toString('base64url');
  return [header, forged, signature].join('.');
};

/** Sam signs in, gets a token and has it verified; returns it. */
const signIn = async (step: Step, { application, scene, client, ownTime }: TourOptions): Promise<string> => {
  const { sam, organizationId } = scene;
  const session = await step('Sam signs in', `POST /api/auth/sign-in/email as ${sam.email}`, async () => {
    const [value, took] = await timed(() => application.signIn(sam.email));
    const checks = { 'it is Sam': value.userId === sam.userId };
    return { value, answered: `a session of user ${value.userId}`, took, checks };
  });
  const chosen = 'POST /api/auth/organization/set-active, GET /api/auth/token';
  const token = await step('Sam chooses Acme and gets a JWT of the jwt plugin', chosen, async () => {
    const [value, took] = await timed(async () => {
      await session.post('/organization/set-active', { organizationId });
      return session.token();
    });
    const checks = { 'it has three parts': value.split('.').length === 3 };
    return { value, answered: `${value.slice(0, 40)}… (${value.length} characters)`, took, checks };
  });
  await step('Assent verifies the token', 'VerifyToken { token }', async () => {
    const [[{ principal }, took], own] = await ownTime('VerifyToken', () => timed(() => client.verifyToken({ token })));
    const answered = `user ${principal?.userId}, ${principal?.email}, ${principal?.organizationRole} of ${principal?.organizationId}`;
    const checks = {
      'it is Sam': principal?.userId === sam.userId,
      'it is for Acme': principal?.organizationId === organizationId,
      'it says that Sam is active': principal?.isActive === true,
    };
    return { value: undefined, answered, took: `${took}${own}`, checks };
  });
  return token;
};

const MANY = 500;

/** The median, in milliseconds, of asking many times, and the last answer. */
const askManyTimes = async (ask: () => Promise<CheckPermissionResponse>) => {
  let last = await ask();
  const times: number[] = [];
  for (let call = 0; call < MANY; call += 1) {
    const started = performance.now();
    last = await ask();
    times.push(performance.now() - started);
  }
  times.sort((one, other) => one - other);
  return [last, `${milliseconds(times[MANY / 2] ?? 0)}, the median of ${MANY} calls one after the other`] as const;
};

/** The same question once and many times: facts come from PostgreSQL, then from memory. */
const askAsStaff = async (step: Step, { client, ownTime }: TourOptions, token: string): Promise<void> => {
  const asked = `CheckPermission { token, permission: "${PERMISSION}" }`;
  const ask = () => client.checkPermission({ subject: tokenOf(token), permission: PERMISSION });
  const outcome = async (asking: () => Promise<readonly [CheckPermissionResponse, string]>): Promise<Outcome<void>> => {
    const [[answer, took], own] = await ownTime('CheckPermission', asking);
    const checks = {
      'it is denied': !answer.allowed,
      'the role lacks it': answer.reason === Reason.ROLE_LACKS_PERMISSION,
      'the role is staff': answer.roles.join() === 'staff',
    };
    return { value: undefined, answered: describeDecision(answer), took: `${took}${own}`, checks };
  };
  await step('Sam, who is staff, may not approve leave', asked, () => outcome(() => timed(ask)));
  await step('The same again, now from memory', asked, () => outcome(() => askManyTimes(ask)));
};

const tokenOf = (value: string) => ({ case: 'token', value }) as const;

/** Two changes by Better Auth's API, each timed from its commit to the first new answer. */
const changeAndAsk = async (
  step: Step,
  { scene, client }: TourOptions,
  token: string,
  commits: CommitClock,
): Promise<void> => {
  const { sam, olivia, root, organizationId } = scene;
  const ask = () => client.checkPermission({ subject: tokenOf(token), permission: PERMISSION });
  const flip = (
    title: string,
    asked: string,
    change: () => Promise<unknown>,
    allowed: boolean,
    expected: (answer: CheckPermissionResponse) => Readonly<Record<string, boolean>>,
  ): Promise<void> =>
    step(title, `${asked}; CheckPermission all the while, with the same token`, async () => {
      const isNew = (answer: CheckPermissionResponse): boolean => answer.allowed === allowed;
      const { answer, flipped, afterCommitMs, changeMs } = await measureFlip(commits, change, ask, isNew);
      const took = `${milliseconds(afterCommitMs)} from the commit to the first new answer (the API call: ${milliseconds(changeMs)})`;
      const turn = allowed ? 'denied → allowed' : 'allowed → denied';
      const checks = { 'the decision flips': flipped, ...expected(answer) };
      const result = { value: undefined, answered: describeDecision(answer), took, checks };
      return flipped ? { ...result, flip: `${turn}, ${milliseconds(afterCommitMs)} after the commit` } : result;
    });
  await flip(
    'Olivia, the owner, makes Sam an admin: the decision flips',
    'POST /api/auth/organization/update-member-role as Olivia',
    () => olivia.post('/organization/update-member-role', { memberId: sam.memberId, organizationId, role: 'admin' }),
    true,
    ({ reason, grantedBy }) => ({
      'a role grants it': reason === Reason.ROLE_GRANTS,
      'the role is admin': grantedBy === 'admin',
    }),
  );
  await flip(
    'Root, the superadmin, bans Sam: the decision flips again',
    'POST /api/auth/admin/ban-user as Root',
    () => root.post('/admin/ban-user', { userId: sam.userId, banReason: 'demo' }),
    false,
    ({ reason }) => ({ 'the reason is the ban': reason === Reason.USER_BANNED }),
  );
};

const tamperAndList = async (step: Step, options: TourOptions, token: string): Promise<void> => {
  const { client, scene, commits } = options;
  const asked = `CheckPermission { token: with role "superadmin" written into it, permission: "${PERMISSION}" }`;
  await step('A token that was changed is refused', asked, async () => {
    const [error, took] = await timed(() =>
      client
        .checkPermission({ subject: tokenOf(tamper(token)), permission: PERMISSION })
        .then(() => null, ConnectError.from),
    );
    const [info] = error?.findDetails(ErrorInfoSchema) ?? [];
    const status = error === null ? 'OK' : `${error.code === 16 ? 'UNAUTHENTICATED' : error.code} · ${info?.reason}`;
    const checks = {
      'it is refused': error?.code === 16,
      'the reason is the signature': info?.reason === 'TOKEN_SIGNATURE_INVALID',
    };
    return { value: undefined, answered: `${status} · ${error?.rawMessage ?? ''}`, took, checks };
  });
  const { userId } = scene.sam;
  await step('Where Sam is a member', `ListUserOrganizations { userId: "${userId}" }`, async () => {
    const [{ memberships }, took] = await timed(() => client.listUserOrganizations({ userId }));
    const found = memberships.map(({ organization, roles }) => `${organization?.name} (${roles.join(', ')})`);
    const checks = {
      'it is Acme, with the role of now': found.join() === `Acme (${commits === null ? 'staff' : 'admin'})`,
    };
    return { value: undefined, answered: found.join(', ') || 'nowhere', took, checks };
  });
};

/** Runs the tour. A step that fails ends its stage; without a token nothing more can be asked. */
export const runTour = async (options: TourOptions): Promise<TourReport> => {
  const { commits } = options;
  const { step, report } = createSteps();
  const token = await unlessEnded(() => signIn(step, options));
  if (token !== null) {
    await unlessEnded(() => askAsStaff(step, options, token));
    if (commits !== null) await unlessEnded(() => changeAndAsk(step, options, token, commits));
    await unlessEnded(() => tamperAndList(step, options, token));
  }
  const leftOut =
    commits === null
      ? ['Sam becomes an admin and the decision flips', 'Sam is banned and the decision flips again']
      : [];
  return { ...report(), leftOut };
};
