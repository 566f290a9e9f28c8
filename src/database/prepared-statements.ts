/** Which statements are prepared, under which names, and when not. Pure. */
import { createHash } from 'node:crypto';

/** Statements by name: the server parses and plans each once for a connection, which is most of what it does for one. */
export interface PreparedStatements {
  /** The name to prepare a text under; null where that does not work. The same text has the same name everywhere. */
  nameOf(text: string): string | null;
  /** Whether a statement failed only because it was prepared: it is to be sent again, without a name. */
  refused(error: unknown): boolean;
  /** From now on nothing is prepared. */
  stop(): void;
}

/** The server has no statement of that name, or has it already: somebody else prepared or dropped statements in the session. */
const OTHER_SESSION = new Set(['26000', '42P05']);
/** The tables have changed since; the server says so rather than answer with other columns than before. */
const PLAN_CHANGED = '0A000';

/** @param onUnusable Called once, when it shows that the connections keep no prepared statements. */
export const createPreparedStatements = (onUnusable: () => void): PreparedStatements => {
  const names = new Map<string, string>();
  let usable = true;
  let generation = 0;
  const stop = (): void => {
    if (usable) onUnusable();
    usable = false;
  };

  return {
    nameOf: (text) => {
      if (!usable) return null;
      let name = names.get(text);
      if (name === undefined) {
        name = `assent_${createHash('sha256').update(`${generation}:${text}`).digest('hex').slice(0, 24)}`;
        names.set(text, name);
      }
      return name;
    },
    refused: (error) => {
      const code = error instanceof Error && 'code' in error ? String(error.code) : '';
      if (OTHER_SESSION.has(code)) {
        stop();
        return true;
      }
      if (code !== PLAN_CHANGED) return false;
      // Under new names all connections prepare anew, instead of failing once each for every statement.
      generation += 1;
      names.clear();
      return true;
    },
    stop,
  };
};
