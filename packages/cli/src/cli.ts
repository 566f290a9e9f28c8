/** `assent`: exit code 0 allowed, 1 denied, 2 error. */
import type { Findings } from '../../../src/cli/policy-files.ts';
import { type Arguments, parseArguments } from './arguments.ts';
import { type Connection, readConnection } from './connection.ts';
import { explain, type Question, type Scope } from './decision.ts';
import { CallError, UsageError } from './errors.ts';
import { createOutput, type Output } from './output.ts';
import type { Service, Subject } from './service.ts';
import { readToken } from './tokens.ts';
import { type CommandName, USAGES } from './usage.ts';

/** `allowed` is also "yes, it verifies" and the like. */
const EXIT = { allowed: 0, denied: 1, error: 2 } as const;

/** Returns the exit code. */
const COMMANDS: Readonly<Record<CommandName, (options: Arguments, output: Output) => Promise<number>>> = {
  check,
  verify,
  permissions,
  policy,
  ping,
};

// Not known before the arguments are: an error in them is printed as JSON, too.
const asJson = process.argv.includes('--json');
process.exitCode = await main(process.argv.slice(2), createOutput(asJson, process.stdout, process.stderr));

async function main(args: readonly string[], output: Output): Promise<number> {
  // A reader that ends early, for example head, is no error of this program.
  process.stdout.on('error', () => {});
  try {
    const options = parseArguments(args);
    if ('help' in options) {
      process.stdout.write(options.help);
      return args.length === 0 ? EXIT.error : EXIT.allowed;
    }
    return await COMMANDS[options.command](options, output);
  } catch (error) {
    if (error instanceof UsageError) output.error('USAGE', '', error.message);
    else if (error instanceof CallError) output.error(error.code, error.reason, error.message);
    // Never an exit code that means a decision.
    else output.error('INTERNAL', '', error instanceof Error ? (error.stack ?? error.message) : String(error));
    return EXIT.error;
  }
}

async function check(options: Arguments, output: Output): Promise<number> {
  const [permission, ...more] = options.positionals;
  if (permission === undefined) throw new UsageError('check: PERMISSION is missing, for example leave:approve');
  noMore('check', more);
  // What the service would answer as INVALID_ARGUMENT, before a token is read.
  if (!/^[^:]+:[^:]+$/.test(permission)) {
    throw new UsageError(`check: PERMISSION "${permission}" is not resource:action, for example leave:approve`);
  }
  const { subject, user, scope } = await readQuestion(options);
  const question: Question = { user, scope, permission };
  return withService(options, async (service) => {
    const decision = await service.check(subject, scope, permission, options.flag('fresh'));
    const now = new Date();
    output.verdict(decision.allowed, decision.allowed ? 'allowed' : 'denied', decision.reason);
    if (options.flag('explain')) output.rows(explain(question, decision, now));
    output.json({ ...decision, ...(options.flag('explain') ? { explanation: explain(question, decision, now) } : {}) });
    return decision.allowed ? EXIT.allowed : EXIT.denied;
  });
}

async function permissions(options: Arguments, output: Output): Promise<number> {
  noMore('permissions', options.positionals);
  const { subject, scope } = await readQuestion(options);
  return withService(options, async (service) => {
    const answer = await service.permissions(subject, scope, options.flag('fresh'));
    for (const permission of answer.permissions) output.line(permission);
    if (answer.permissions.length === 0) output.verdict(false, 'none', answer.reason);
    output.json(answer);
    return EXIT.allowed;
  });
}

async function verify(options: Arguments, output: Output): Promise<number> {
  noMore('verify', options.positionals);
  const token = await readToken('--token-file', options.text('token-file') ?? '-');
  return withService(options, async (service) => {
    try {
      const { principal, issuedAt, expiresAt } = await service.verify(token);
      output.verdict(true, 'verified', principal.userId);
      output.rows(
        [
          ['email', principal.email],
          ['organization', principal.organizationId],
          ['active', principal.isActive ? 'yes' : 'no: every permission is denied'],
          ['application', principal.clientId],
          ['scopes', principal.scopes.join(' ')],
          ['issued', issuedAt?.toISOString() ?? ''],
          ['expires', expiresAt?.toISOString() ?? ''],
        ].filter((row): row is [string, string] => row[1] !== ''),
      );
      output.json({ verified: true, principal, issuedAt, expiresAt });
      return EXIT.allowed;
    } catch (error) {
      // The token of the caller is not the one that was asked about.
      if (!(error instanceof CallError && error.reason.startsWith('TOKEN_'))) throw error;
      output.verdict(false, 'refused', error.message);
      output.json({ verified: false, reason: error.reason, message: error.message });
      return EXIT.denied;
    }
  });
}

async function ping(options: Arguments, output: Output): Promise<number> {
  noMore('ping', options.positionals);
  return withService(options, async (service, { address }) => {
    // The first call connects.
    const connecting = performance.now();
    const health = await service.health();
    const connectMs = performance.now() - connecting;
    const serving = health === 'SERVING';
    if (!serving) {
      output.verdict(false, health, address);
      output.json({ serving, health, address });
      return EXIT.denied;
    }
    const asking = performance.now();
    await takesCallerToken(service);
    const roundTripMs = performance.now() - asking;
    output.verdict(
      true,
      health,
      `${address}: connected in ${connectMs.toFixed(1)} ms, a call takes ${roundTripMs.toFixed(1)} ms`,
    );
    output.json({ serving, health, address, connectMs, roundTripMs });
    return EXIT.allowed;
  });
}

/** Health needs no token of the caller. A call that is refused for the user's token has passed the caller's. */
async function takesCallerToken(service: Service): Promise<void> {
  try {
    await service.verify('ping');
  } catch (error) {
    if (!(error instanceof CallError)) throw error;
    // A caller that may not call this method is known all the same; without keys the service has looked at the caller, too.
    const passed = ['TOKEN_', 'KEYS_UNAVAILABLE', 'CALLER_METHOD_NOT_ALLOWED'];
    if (!passed.some((reason) => error.reason.startsWith(reason))) throw error;
  }
}

async function policy({ positionals: [action, ...files] }: Arguments, output: Output): Promise<number> {
  if (action !== 'check' && action !== 'test') {
    throw new UsageError(
      `policy: ${action === undefined ? 'check or test is missing' : `"${action}" is neither check nor test`}`,
    );
  }
  if (files.length === 0) throw new UsageError(`policy ${action}: FILE is missing`);
  const { checkPolicyFile, testPolicyFile } = await import('../../../src/cli/policy-files.ts');
  const run = action === 'check' ? checkPolicyFile : testPolicyFile;
  const found = files.map((file): Findings & { readonly file: string } => ({ file, ...run(file) }));
  for (const { lines, problems } of found) {
    for (const line of lines) output.verdict(problems === 0, problems === 0 ? '✓' : '✗', line);
  }
  output.json({ files: found });
  return found.some(({ problems }) => problems > 0) ? EXIT.denied : EXIT.allowed;
}

/** The subject and the scope of a check; every contradiction is an error, since the service would be asked about another. */
async function readQuestion(options: Arguments): Promise<{
  readonly subject: Subject;
  readonly user: string | null;
  readonly scope: Scope;
}> {
  const [user, file, organization] = [options.text('user'), options.text('token-file'), options.text('organization')];
  const platform = options.flag('platform');
  for (const [name, value] of [
    ['--user', user],
    ['--organization', organization],
  ] as const) {
    if (value === '') throw new UsageError(`${name} is empty`);
  }
  if (organization !== null && platform) throw new UsageError('--organization and --platform exclude each other');
  const scope = { organization, platform };
  if (user !== null && file !== null) throw new UsageError('--user and --token-file exclude each other');
  if (user !== null) {
    if (organization === null && !platform) {
      throw new UsageError('--user needs --organization ID or --platform: only a token has an active organization');
    }
    return { subject: { user }, user, scope };
  }
  if (file === null)
    throw new UsageError(`--user ID or --token-file FILE is missing; "assent ${options.command} --help"`);
  return { subject: { token: await readToken('--token-file', file) }, user, scope };
}

async function withService(
  options: Arguments,
  work: (service: Service, connection: Connection) => Promise<number>,
): Promise<number> {
  const connection = await readConnection(options, process.env);
  // Loaded late: help and wrong usage answer without a client of gRPC.
  const { createService } = await import('./service.ts');
  const service = createService(connection);
  try {
    return await work(service, connection);
  } finally {
    service.close();
  }
}

function noMore(command: CommandName, rest: readonly string[]): void {
  const [first] = rest;
  if (first === undefined) return;
  // It may be a token, which an error must not repeat.
  throw new UsageError(
    `${command} takes no such argument (${rest.length} too many)\n${USAGES[command].split('\n')[0]}`,
  );
}
