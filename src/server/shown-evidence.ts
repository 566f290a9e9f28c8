/** What the calls of one connection have shown of their callers. Pure. */
import type { Evidence } from '../callers/known-callers.ts';

/** Credentials of a connection that are kept: a proxy may pass on the calls of many callers. */
const MAX_KEPT = 8;

export class ShownEvidence {
  /** By the digest, or the empty text for the certificate of the connection; the latest last. */
  readonly #kept = new Map<string, Evidence>();

  /** Adds what a call has shown. Of more than eight credentials the one that was added first is dropped. */
  add(evidence: Evidence): void {
    const key = 'digest' in evidence ? evidence.digest : '';
    this.#kept.delete(key);
    this.#kept.set(key, evidence);
    if (this.#kept.size <= MAX_KEPT) return;
    const [oldest = ''] = this.#kept.keys();
    this.#kept.delete(oldest);
  }

  /** Drops what stands for no caller any more. @returns Whether something is left. */
  review(holds: (evidence: Evidence) => boolean): boolean {
    for (const [key, evidence] of this.#kept) if (!holds(evidence)) this.#kept.delete(key);
    return this.#kept.size > 0;
  }
}
