/** The versions of Node with the security fixes that the service needs. `engines.node` of package.json names them. */
import manifest from '../package.json' with { type: 'json' };
import type { Logger } from './telemetry/log.ts';

/** Logs a warning on a Node without the fixes. The process goes on. */
export function warnOfUnfixedNode(log: Logger): void {
  const { node } = process.versions;
  if (hasFixes(node, manifest.engines.node)) return;
  log.warn(
    { event: 'process.node_unfixed', node, fixed: manifest.engines.node },
    'this Node lacks security fixes of HTTP/2 and TLS that a remote caller can exploit: run a version that has them',
  );
}

/**
 * Whether a version is in a range.
 * @param version Three numbers with dots between them; the tag of a pre-release is ignored.
 * @param range Parts of the forms `^24.22.3` (that major version, from there) and `>26.12.1`, with `||` between them.
 * @throws when a part has another form.
 */
export function hasFixes(version: string, range: string): boolean {
  const running = numbersOf(version);
  return range.split('||').some((part) => {
    const [, operator, lowest = ''] = /^\s*(\^|>)(\d+\.\d+\.\d+)\s*$/.exec(part) ?? [];
    if (operator === undefined) throw new Error(`engines.node of package.json has a part of unknown form: ${part}`);
    const bound = numbersOf(lowest);
    return operator === '^' ? running[0] === bound[0] && compare(running, bound) >= 0 : compare(running, bound) > 0;
  });
}

function numbersOf(version: string): readonly number[] {
  return version.split('.', 3).map((part) => Number.parseInt(part, 10));
}

function compare(left: readonly number[], right: readonly number[]): number {
  const differing = left.findIndex((number, place) => number !== right[place]);
  return differing === -1 ? 0 : (left[differing] ?? 0) - (right[differing] ?? 0);
}
