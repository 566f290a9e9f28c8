/** The subject of a measurement without RPC: a function called in a loop, in a separate process on the server's core. */

export interface Subject {
  /** Does it once and says whether the answer was the expected one. */
  readonly run: () => boolean | Promise<boolean>;
}

/** What each module of this folder exports as `createSubject`. Null: its package is not installed. */
export type CreateSubject = (input: SubjectInput) => Promise<Subject | null>;

/** What a subject may need of the world. */
export interface SubjectInput {
  readonly policyPath: string;
  readonly secret: string;
  readonly hs256: string;
  readonly edDsa: string;
  /** A user, their organization and their role there. */
  readonly userId: string;
  readonly organizationId: string;
  readonly role: string;
  /** Other facts in memory, so that no lookup searches a list of one: members of organizations with their roles. */
  readonly others: readonly { readonly userId: string; readonly organizationId: string; readonly role: string }[];
}

export interface SubjectResult {
  readonly rps: number;
  readonly cpuMicros: number;
  readonly errors: number;
  /** Of single calls, in microseconds. */
  readonly latencies: readonly number[];
}

/** Answer of the host when there is nothing to measure. */
export interface SubjectMissing {
  readonly missing: true;
}
