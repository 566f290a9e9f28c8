/**
 * Which events a revision includes. A stream that was made anew counts from one again, so that sequences compare within one
 * making of the stream only; between two makings their times of creation do. Pure.
 */

/** Where an event stands: in which making of the stream, and its number there. */
export interface Mark {
  /** When the stream was created, in the text of NATS. */
  readonly created: string;
  readonly seq: number;
}

export interface Revision extends Mark {
  /** Whether the sequence is of the stream as it was made: false after it lost its newest messages and numbered on. */
  readonly exact: boolean;
}

/** Reads `assent-position` (`js:<stream>:<created>[~<roll-back>][@<data source>]:<sequence>`); null for the others. */
export const parseRevision = (text: string): Revision | null => {
  const match = /^js:[^:]+:(?<created>[^~@]+)(?<again>~[^@]+)?(?:@[^:]+)?:(?<seq>\d+)$/.exec(text);
  const { created, again, seq } = match?.groups ?? {};
  return created === undefined ? null : { created, seq: Number(seq), exact: again === undefined };
};

/** Whether revisions can be held against the mark: not when its stream lost messages and used their numbers again. */
export const isComparable = ({ created }: Mark): boolean => !Number.isNaN(Date.parse(created));

/** Whether a replica at this revision has applied the event, or trusts nothing from before it. */
export const includes = (revision: Revision | null, mark: Mark): boolean => {
  if (revision === null || !isComparable(mark)) return false;
  if (revision.created === mark.created) return revision.exact && revision.seq >= mark.seq;
  // The other making was acknowledged before the newer one began, and a subscriber of the newer one reads everything again.
  return Date.parse(revision.created) > Date.parse(mark.created);
};
