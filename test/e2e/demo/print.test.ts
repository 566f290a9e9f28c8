/** What the tour prints: plain text in a pipe, colours on a terminal. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const MODULE = new URL('../../../demo/print.ts', import.meta.url).href;
const STEPS = fileURLToPath(new URL('../../../demo/steps.ts', import.meta.url));
const SCRIPT = `
import { print } from ${JSON.stringify(MODULE)};
import { createSteps } from ${JSON.stringify(STEPS)};
const { step, report } = createSteps();
await step('asks', 'x', async () => ({ answered: 'denied · ROLE_LACKS_PERMISSION', took: '1.0 ms', checks: { it: true } }));
await step('flips', 'x', async () => ({ answered: 'allowed', took: '1.0 ms', flip: 'denied → allowed, 2.0 ms after', checks: {} }));
await step('fails', 'x', async () => ({ answered: 'UNAUTHENTICATED', took: '1.0 ms', checks: { 'it is refused': false } }));
for (const flip of report().flips) print.flip(flip);
`;
const ARGS = ['--input-type=module', '--eval', SCRIPT];
const [RED, GREEN] = ['\u001b[31m', '\u001b[32m'];

const printed = (command: string, args: readonly string[], more: Readonly<Record<string, string>> = {}): string => {
  // Node takes `CI` for a terminal without colours, whatever TERM says.
  const { NO_COLOR: _, FORCE_COLOR: __, CI: ___, ...inherited } = process.env;
  const env = { ...inherited, TERM: 'xterm-256color', ...more };
  const { status, stdout, stderr } = spawnSync(command, args, { env, encoding: 'utf8' });
  expect(status, stderr).toBe(0);
  return stdout;
};
/** On a pseudo-terminal. */
const onTerminal = (more: Readonly<Record<string, string>> = {}): string =>
  printed('script', ['--quiet', '--return', '--command', '"$NODE" --input-type=module --eval "$SCRIPT"', '/dev/null'], {
    NODE: process.execPath,
    SCRIPT,
    ...more,
  }).replaceAll('\r\n', '\n');

const PLAIN = `
 1 asks
   asked     x
   answered  denied · ROLE_LACKS_PERMISSION
   took      1.0 ms

 2 flips
   asked     x
   answered  allowed
   took      1.0 ms
   ⇄         denied → allowed, 2.0 ms after

 3 fails
   asked     x
   answered  UNAUTHENTICATED
   took      1.0 ms
   held      NO: it is refused
⇄ denied → allowed, 2.0 ms after
`;

it('the output of the demo is plain text in a pipe', () => {
  expect(printed(process.execPath, ARGS)).toBe(PLAIN);
});

it('the output of the demo has allowed answers in green and denied ones in red when colours are on', () => {
  const text = printed(process.execPath, ARGS, { FORCE_COLOR: '1' });
  expect(text).toContain(`${RED}denied\u001b[39m ·`);
  expect(text).toContain(`${GREEN}allowed\u001b[39m`);
  expect(text).toContain(`${RED}UNAUTHENTICATED\u001b[39m`);
  expect(text).toContain(`${RED}denied\u001b[39m → ${GREEN}allowed\u001b[39m`);
});

it.runIf(process.platform === 'linux')(
  'the output of the demo has colours on a terminal, and none with NO_COLOR',
  () => {
    expect(onTerminal()).toContain(`${GREEN}allowed\u001b[39m`);
    expect(onTerminal({ NO_COLOR: '1' })).toBe(PLAIN);
  },
);
