/** A NATS server in operator mode, whose users authenticate by JWTs and nkeys: what `nsc` sets up, made by the test itself. */
import { createHash } from 'node:crypto';
import { nkeys } from 'nats';

/** An operator with one account that has JetStream. */
export interface NatsOperator {
  /** The text of the server's configuration. */
  readonly config: string;
  /** The text of a credentials file of a new user. */
  credentials(options?: { readonly expires?: number }): string;
}

type KeyPair = ReturnType<typeof nkeys.createUser>;

const UNLIMITED = { subs: -1, data: -1, payload: -1 };
const ACCOUNT_LIMITS = {
  ...UNLIMITED,
  ...{ imports: -1, exports: -1, wildcards: true, conn: -1, leaf: -1 },
  ...{ mem_storage: -1, disk_storage: -1, streams: -1, consumer: -1 },
};

export const createOperator = (): NatsOperator => {
  const operator = nkeys.createOperator();
  const [system, account] = [nkeys.createAccount(), nkeys.createAccount()];
  const accounts = [
    [system, { limits: { ...ACCOUNT_LIMITS, mem_storage: 0, disk_storage: 0, streams: 0, consumer: 0 } }],
    [account, { limits: ACCOUNT_LIMITS }],
  ] as const;
  const preloaded = accounts.map(
    ([pair, claims]) => `${pair.getPublicKey()}: "${jwt(operator, pair, 'account', claims)}"`,
  );
  return {
    config: [
      `operator: "${jwt(operator, operator, 'operator', { system_account: system.getPublicKey() })}"`,
      `system_account: ${system.getPublicKey()}`,
      'resolver: MEMORY',
      `resolver_preload: { ${preloaded.join(', ')} }`,
      '',
    ].join('\n'),
    credentials: ({ expires } = {}) => {
      const user = nkeys.createUser();
      const permissions = { ...UNLIMITED, pub: {}, sub: {} };
      const seed = new TextDecoder().decode(user.getSeed());
      return [
        '-----BEGIN NATS USER JWT-----',
        jwt(account, user, 'user', permissions, expires),
        '------END NATS USER JWT------',
        '',
        '************************* IMPORTANT *************************',
        'NKEY Seed printed below can be used to sign and prove identity.',
        '',
        '-----BEGIN USER NKEY SEED-----',
        seed,
        '------END USER NKEY SEED------',
        '',
      ].join('\n');
    },
  };
};

/** A JWT of NATS, version 2. @param expires In seconds since 1970. */
const jwt = (issuer: KeyPair, subject: KeyPair, type: string, claims: object, expires?: number): string => {
  const base64 = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const content = {
    jti: createHash('sha256').update(subject.getPublicKey()).digest('hex'),
    iat: Math.floor(Date.now() / 1_000),
    ...(expires === undefined ? {} : { exp: expires }),
    ...{ iss: issuer.getPublicKey(), name: 'test', sub: subject.getPublicKey() },
    nats: { ...claims, type, version: 2 },
  };
  const signed = `${base64({ typ: 'JWT', alg: 'ed25519-nkey' })}.${base64(content)}`;
  const signature = issuer.sign(new TextEncoder().encode(signed));
  return `${signed}.${Buffer.from(signature).toString('base64url')}`;
};
