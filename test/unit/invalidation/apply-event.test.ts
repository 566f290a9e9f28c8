/** From any message to the calls of the sink. */
import { expect, it } from 'vitest';
import { createApply } from '../../../src/invalidation/apply-event.ts';

it('each message is applied with its number and moment, as a change, as everything when it is malformed, or as nothing', () => {
  const applied: unknown[][] = [];
  const outcomes: string[] = [];
  const apply = createApply(
    'p',
    { begin: () => {}, skipTo: () => {}, apply: (...all) => void applied.push(all), renewLease: () => {} },
    { event: (outcome) => void outcomes.push(outcome), lag: () => {}, state: () => {} },
  );
  apply(1, 'p.user.updated', Buffer.from('{"userId":"u"}'), '1000000001');
  apply(2, 'p.user.updated', Buffer.from('?'), '1000000002');
  apply(3, 'p.resync', Buffer.from('{}'), '1000000003');
  apply(4, 'p.something', Buffer.from('{}'), null);
  expect(applied).toEqual([
    [1, { kind: 'user', userId: 'u' }, '1000000001'],
    [2, { kind: 'everything' }, '1000000002'],
    [3, { kind: 'everything' }, '1000000003'],
    [4, null, null],
  ]);
  expect(outcomes).toEqual(['applied', 'malformed', 'applied', 'unknown']);
});
