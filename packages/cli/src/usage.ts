/** Help texts. */

const CONNECTION = `
  --address ADDRESS        the gRPC address; ASSENT_ADDRESS, or 127.0.0.1:50051, when absent
  --caller-token-file FILE the token of the caller; ASSENT_TOKEN has the token itself
  --tls                    TLS, with the certificates that the system trusts
  --ca FILE                TLS, with the certificates of this file
  --timeout MILLISECONDS   for a call; 1000 when absent
  --json                   one line of JSON instead of text`;

const SUBJECT = `
  --user ID                the user, by id
  --token-file FILE        the user, by the token in this file; "-" is stdin
  --organization ID        the organization; the active one of the token when absent
  --platform               the whole platform instead of an organization`;

const EXIT = 'exit code: 0 allowed, 1 denied, 2 error';

export type CommandName = 'check' | 'verify' | 'permissions' | 'policy' | 'ping';

export const USAGES: Readonly<Record<CommandName, string>> = {
  check: `usage: assent check PERMISSION (--user ID | --token-file FILE) [--organization ID | --platform]

Asks whether a user may do something, for example leave:approve.
${SUBJECT}
  --explain                who, which roles from where, which grants, from which tier, how old
  --fresh                  read PostgreSQL for this call
${CONNECTION}

${EXIT}
`,
  verify: `usage: assent verify [--token-file FILE]

Verifies a token, of stdin when no file is named, and prints its claims. It reads no roles and no ban.

  --token-file FILE        the token; "-" is stdin
${CONNECTION}

exit code: 0 it verifies, 1 it does not, 2 error
`,
  permissions: `usage: assent permissions (--user ID | --token-file FILE) [--organization ID | --platform]

Lists all that a user may do in an organization or on the platform.
${SUBJECT}
  --fresh                  read PostgreSQL for this call
${CONNECTION}

exit code: 0 answered, with or without permissions, 2 error
`,
  policy: `usage: assent policy check FILE...   validates policy files
       assent policy test FILE...    runs cases against a policy

  --json                   one line of JSON instead of text

exit code: 0 success, 1 problems, 2 error
`,
  ping: `usage: assent ping

Asks whether the service serves, how fast it answers, and whether it takes the token of the caller.
${CONNECTION}

exit code: 0 it serves, 1 it does not, 2 error
`,
};

export const USAGE = `usage: assent COMMAND

  check         may a user do something?
  verify        does a token verify, and whose is it?
  permissions   what may a user do?
  policy        validates a policy file and runs its cases
  ping          does the service serve?

assent COMMAND --help has the options of each. Tokens come from files, stdin or ASSENT_TOKEN, never from arguments, which
every user of the machine can read.
`;
