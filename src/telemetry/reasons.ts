/** What fails again and again, often for several reasons in turn, is said once for each of them. */
export interface Reasons {
  /** Whether a reason was not said since the last {@link Reasons.forget}; from now on it was. */
  isNew(reason: string): boolean;
  /** It succeeded: the next time it is news again. */
  forget(): void;
}

/** Texts can hold what changes with each try; so many of them tell no more. */
const MAX_REASONS = 20;

export const createReasons = (): Reasons => {
  const said = new Set<string>();
  return {
    isNew: (reason) => {
      if (said.has(reason) || said.size === MAX_REASONS) return false;
      said.add(reason);
      return true;
    },
    forget: () => said.clear(),
  };
};
