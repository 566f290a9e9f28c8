/** Files of callers. */
import { createHash } from 'node:crypto';

/** The digest of a token as a file of callers has it. */
export const sha256 = (token: string): string => createHash('sha256').update(token).digest('hex');
