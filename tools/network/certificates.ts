/** X.509 certificates for tests, made when they are needed: committed ones would expire, and openssl is not everywhere. */
import { generateKeyPairSync, type KeyObject, type KeyPairKeyObjectResult, randomBytes, sign } from 'node:crypto';

/** A certificate and its private key, in PEM. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/** A certificate authority. */
export interface Authority {
  /** Its own certificate, for peers that trust it. */
  readonly cert: string;
  /**
   * Issues a certificate for a client, or for a server at 127.0.0.1 and localhost.
   * @param names Other subject alternative names in place of those of a server.
   */
  issue(name: string, names?: readonly AlternativeName[]): Certificate;
}

/** A subject alternative name. */
export type AlternativeName = `DNS:${string}` | `URI:${string}`;

// DER (ITU-T X.690): a tag, a length, the content.
const der = (tag: number, ...parts: readonly Uint8Array[]): Buffer => {
  const content = Buffer.concat(parts);
  const size = content.length;
  const length = size < 128 ? [size] : size < 256 ? [0x81, size] : [0x82, size >> 8, size & 0xff];
  return Buffer.concat([Buffer.from([tag, ...length]), content]);
};
const sequence = (...parts: readonly Uint8Array[]): Buffer => der(0x30, ...parts);
const text = (tag: number, value: string): Buffer => der(tag, Buffer.from(value));
const oid = (hex: string): Buffer => der(0x06, Buffer.from(hex, 'hex'));
const bits = (value: Uint8Array): Buffer => der(0x03, Buffer.from([0]), value);
const time = (offsetMs: number): Buffer => {
  const digits = new Date(Date.now() + offsetMs).toISOString().replace(/\D/g, '');
  return text(0x17, `${digits.slice(2, 14)}Z`);
};

const ECDSA_SHA256 = sequence(oid('2a8648ce3d040302'));
const COMMON_NAME = oid('550403');
const BASIC_CONSTRAINTS = oid('551d13');
const ALTERNATIVE_NAMES = oid('551d11');
const HOUR_MS = 3_600_000;

const nameOf = (name: string): Buffer => sequence(der(0x31, sequence(COMMON_NAME, text(0x0c, name))));
const extension = (id: Buffer, value: Buffer): Buffer => sequence(id, der(0x04, value));

const AUTHORITY = extension(BASIC_CONSTRAINTS, sequence(der(0x01, Buffer.from([0xff]))));
const SERVER = extension(ALTERNATIVE_NAMES, sequence(der(0x87, Buffer.from([127, 0, 0, 1])), text(0x82, 'localhost')));
const named = (names: readonly AlternativeName[]): Buffer => {
  const general = names.map((name) => text(name.startsWith('DNS:') ? 0x82 : 0x86, name.slice(4)));
  return extension(ALTERNATIVE_NAMES, sequence(...general));
};

const certify = (subject: string, publicKey: KeyObject, issuer: string, issuerKey: KeyObject, extensions: Buffer) => {
  const content = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, Buffer.concat([Buffer.from([1]), randomBytes(8)])),
    ECDSA_SHA256,
    nameOf(issuer),
    sequence(time(-HOUR_MS), time(HOUR_MS)),
    nameOf(subject),
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(extensions)),
  );
  const whole = sequence(content, ECDSA_SHA256, bits(sign('sha256', content, issuerKey)));
  const lines = whole.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
};

const keyPair = (): KeyPairKeyObjectResult => generateKeyPairSync('ec', { namedCurve: 'P-256' });

/**
 * Creates a new authority; its certificates are valid for an hour.
 * @param ownKeys The keys of the certificates that it issues.
 */
export const createAuthority = (name: string, ownKeys = keyPair): Authority => {
  const own = keyPair();
  return {
    cert: certify(name, own.publicKey, name, own.privateKey, AUTHORITY),
    issue: (subject, names) => {
      const { publicKey, privateKey } = ownKeys();
      return {
        cert: certify(subject, publicKey, name, own.privateKey, names === undefined ? SERVER : named(names)),
        key: String(privateKey.export({ type: 'pkcs8', format: 'pem' })),
      };
    },
  };
};
