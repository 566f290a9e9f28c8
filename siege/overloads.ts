/** All overloads, in the order of the table. */
import type { Overload } from './overload.ts';
import { fairness } from './overloads/fairness.ts';
import { hits } from './overloads/hits.ts';
import { misses } from './overloads/misses.ts';
import { rolling } from './overloads/rolling.ts';

export const OVERLOADS: readonly Overload[] = [...misses, hits, fairness, rolling];
