/** What a scenario is: its description, and the program that attacks. */

/**
 * `strangers`: an attack by connections without a token. `callers`: one by a caller who is known. `overload`: more calls than
 * the service can answer. `fairness`: large calls of others. `rolling`: replicas that are restarted.
 */
export type Kind = 'strangers' | 'callers' | 'overload' | 'fairness' | 'rolling';

/** The service as an attacker sees it. All of it can be sent to another process. */
export interface Target {
  readonly grpcPort: number;
  readonly httpPort: number;
  /** How long to attack. */
  readonly seconds: number;
  /** How long to go on, at most, while the service has ended no connection. */
  readonly atMostSeconds: number;
  /** The token of a caller who is known, but not the honest one. */
  readonly token: string;
  /** The message of a check, as base64. */
  readonly check: string;
  /** The certificate authority of the service's certificate, in PEM; null in the clear. */
  readonly ca: string | null;
}

/** What an attacker counts. Numbers grow while it attacks and while it stays connected afterwards. */
export interface Tally {
  /** Connections that were made. */
  opened: number;
  /** Connections that the service ended. */
  ended: number;
  /** Requests, frames or bytes that were sent, as the attack's title names them. */
  sent: number;
  /** Requests that were answered, whatever the answer. */
  answered: number;
  /** Answers that must never be given, such as one to a hidden request. */
  wrong: number;
}

/** An attack: one file each. */
export interface Attack {
  readonly name: string;
  /** The attack in a few words, with the number of connections. */
  readonly title: string;
  readonly kind: 'strangers' | 'callers';
  /** Whether the service listens with TLS. */
  readonly tls?: boolean;
  /** Attacks for the time of the target and leaves connections open that the service has not ended. */
  run(target: Target, tally: Tally): Promise<void>;
}
