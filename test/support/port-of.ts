/** The port that a URL names, as a number; NaN for one that names none. */
export function portOf(url: string): number {
  return Number(new URL(url).port);
}
