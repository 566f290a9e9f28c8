/**
 * Adds the grants of its parents to every role. The time is linear in the size of the policy: no path of parents is walked twice,
 * nothing is recursive, and roles share the lists that they only inherit. Pure.
 */
import { type GrantList, grantListOf, type NamedGrants, type Pair } from './model.ts';
import type { YamlNode, YamlReader } from './yaml-reader.ts';

/** A role as written, before the grants of its parents are added. */
export interface WrittenRole {
  readonly parents: readonly WrittenParent[];
  readonly pairs: readonly Pair[];
}

interface WrittenParent {
  readonly name: string;
  readonly node: YamlNode;
}

/** The most roles of a chain in which each extends the next. */
export const MAX_CHAIN = 64;

/**
 * The most steps to add the grants of parents: one for each resource of a parent, and one for each action of a resource that
 * more than one of the role and its parents grant. They take a second, and 200 MB.
 */
const MAX_STEPS = 2_000_000;

/** Resolves the roles of one section. After a problem a role may have its own pairs only. */
export function resolveRoles(read: YamlReader, roles: ReadonlyMap<string, WrittenRole>, what: string): NamedGrants {
  const names = parentsFirst(read, roles, what);
  const resolved = new Map<string, GrantList>();
  let steps = 0;
  for (const name of read.problems.length === 0 ? names : []) {
    const { parents, pairs } = roles.get(name) ?? NO_ROLE;
    const { grants, taken } = merge(
      pairs,
      parents.map((parent) => resolved.get(parent.name) ?? []),
    );
    resolved.set(name, grants);
    steps += taken;
    if (steps > MAX_STEPS) {
      const node = parents[0]?.node ?? null;
      read.problem(node, `the roles of ${what} inherit more than ${MAX_STEPS} grants in all, at "${name}"`);
      break;
    }
  }
  return [...roles].map(([name, { pairs }]) => [name, resolved.get(name) ?? grantListOf(pairs)]);
}

const NO_ROLE: WrittenRole = { parents: [], pairs: [] };

/** The own pairs and the lists of the parents, by resource in the order of the first mention. */
function merge(
  pairs: readonly Pair[],
  parents: readonly GrantList[],
): { readonly grants: GrantList; readonly taken: number } {
  const [first = []] = parents;
  if (pairs.length === 0 && parents.length === 1) return { grants: first, taken: 1 };
  let taken = 0;
  // A list as it came from a role, shared, or a set as soon as another one is added to it.
  const byResource = new Map<string, readonly string[] | Set<string>>(grantListOf(pairs));
  for (const [resource, actions] of parents.flat()) {
    const known = byResource.get(resource);
    taken += 1;
    if (known === undefined) byResource.set(resource, actions);
    else if (known !== actions) {
      const all = known instanceof Set ? known : new Set(known);
      taken += known instanceof Set ? actions.length : known.length + actions.length;
      for (const action of actions) all.add(action);
      byResource.set(resource, all);
    }
  }
  const grants = [...byResource].map(([resource, actions]): GrantList[number] => [
    resource,
    actions instanceof Set ? [...actions] : actions,
  ]);
  return { grants, taken };
}

/** A role on the path that is walked. */
interface Step {
  readonly name: string;
  readonly parents: readonly WrittenParent[];
  /** The parents that are walked already. */
  done: number;
  /** The roles of the longest chain that begins with this role. */
  chain: number;
}

/** The names of the roles, each after its parents. Reports unknown parents, cycles and chains that are too long. */
function parentsFirst(read: YamlReader, roles: ReadonlyMap<string, WrittenRole>, what: string): readonly string[] {
  const chains = new Map<string, number>();
  let tooLong = false;
  for (const root of roles.keys()) {
    const path: Step[] = [];
    const onPath = new Set<string>();
    const enter = (name: string): void => {
      path.push({ name, parents: roles.get(name)?.parents ?? [], done: 0, chain: 1 });
      onPath.add(name);
    };
    if (!chains.has(root)) enter(root);
    for (let step = path.at(-1); step !== undefined; step = path.at(-1)) {
      const parent = step.parents[step.done];
      if (parent === undefined) {
        path.pop();
        onPath.delete(step.name);
        chains.set(step.name, step.chain);
        continue;
      }
      const chain = chains.get(parent.name);
      if (chain === undefined && roles.has(parent.name) && !onPath.has(parent.name)) {
        enter(parent.name);
        continue;
      }
      step.done += 1;
      if (onPath.has(parent.name)) {
        read.problem(parent.node, `a cycle: ${chainText([...onPath, parent.name])}`);
      } else if (chain === undefined) read.problem(parent.node, `"${parent.name}" is not a role of ${what}`);
      else {
        // Reported for the first role that is too deep, and not for each role that extends it.
        if (chain === MAX_CHAIN && !tooLong) {
          tooLong = true;
          read.problem(parent.node, chainProblem(roles, chains, step.name, parent.name));
        }
        step.chain = Math.max(step.chain, chain + 1);
      }
    }
  }
  return [...chains.keys()];
}

function chainProblem(
  roles: ReadonlyMap<string, WrittenRole>,
  chains: ReadonlyMap<string, number>,
  role: string,
  parent: string,
): string {
  const names = [role, parent];
  for (let left = MAX_CHAIN - 1; left > 0; left -= 1) {
    const parents = roles.get(names.at(-1) ?? '')?.parents ?? [];
    names.push(parents.find(({ name }) => chains.get(name) === left)?.name ?? '');
  }
  return `a chain of more than ${MAX_CHAIN} roles: ${chainText(names)}`;
}

/** The names that a text of a chain shows at its beginning, and at its end. */
const SHOWN_NAMES = 4;

function chainText(names: readonly string[]): string {
  const shown =
    names.length <= 2 * SHOWN_NAMES + 1 ? names : [...names.slice(0, SHOWN_NAMES), '…', ...names.slice(-SHOWN_NAMES)];
  return shown.join(' extends ');
}
