/**
 * The short form of `npm run siege`: attacks against a process of the service, of which the test asserts only what does not
 * depend on the speed of the machine: no honest call fails, memory stays bounded, the attacker's connections are ended.
 */
import { expect, it } from 'vitest';
import { runSiege } from '../../support/siege/run-siege.ts';

const ATTACKS = [
  'refused-no-token',
  'rapid-reset',
  'made-you-reset',
  'ping-flood',
  'continuation-flood',
  'window-updates',
  'endless-health',
  'idle-everywhere',
  'metrics-unread',
  'smuggling',
];

it('honest callers are served during attacks by strangers, and the attackers are ended', {
  timeout: 120_000,
}, async () => {
  const { report, output } = await runSiege(['--only', `^(${ATTACKS.join('|')})$`, '--seconds', '1', '--short']);
  expect(report.attacks.map(({ name }) => name).toSorted(), output).toEqual(ATTACKS.toSorted());
  for (const { name, figures, breaches } of report.attacks) {
    const broken = breaches.filter(({ isAboutSpeed }) => !isAboutSpeed).map(({ text }) => text);
    expect(broken, name).toEqual([]);
    expect(figures?.honestCalls, name).toBeGreaterThan(0);
    expect(figures?.tally.opened, name).toBeGreaterThan(0);
  }
});
