/** A function that is frozen or ends when it has answered: its events are with NATS before that. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';
import { startProxy, through } from '../../../tools/network/proxy.ts';
import { createApplication } from '../../support/better-auth/application.ts';
import { recordEvents } from '../../support/better-auth/event-recorder.ts';
import type { FunctionSettings } from '../../support/better-auth/function.ts';
import { testDatabase } from '../../support/database.ts';
import { testNats } from '../../support/nats.ts';
import { portOf } from '../../support/port-of.ts';
import { until } from '../../support/until.ts';

const PROGRAM = fileURLToPath(new URL('../../support/better-auth/function.ts', import.meta.url));
/** One way; NATS is in another zone or region. */
const DELAY_MS = 30;

const nats = await testNats();
const { url: databaseUrl } = await testDatabase();
const application = createApplication({ databaseUrl, assent: null });
await application.migrate();
const owner = await application.signUp('owner');
const created = await application.auth.api.createOrganization({
  body: { name: 'Acme', slug: 'acme', userId: owner.id },
});
const organizationId = created?.id ?? '';

/** A member to remove. */
const newMember = async () => {
  const { id: userId } = await application.signUp('member');
  const member = await application.auth.api.addMember({ body: { userId, organizationId, role: 'member' } });
  return { userId, memberId: member?.id ?? '' };
};

type Then = 'freeze' | 'exit' | 'stay';

const startFunction = async (way: FunctionSettings['way']) => {
  const proxy = await startProxy(portOf(nats.url));
  proxy.setDelay(DELAY_MS);
  const settings: FunctionSettings = {
    ...{ databaseUrl, nats: through(nats.url, proxy), prefix: nats.prefix, stream: nats.stream, way },
  };
  const child = spawn(process.execPath, [PROGRAM, JSON.stringify(settings)], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'close');
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await ended;
    await proxy.close();
  });
  const [line] = await once(child.stdout, 'data');
  const port = Number(String(line));
  const recorder = await recordEvents(nats.url, nats.prefix, () => {}, onTestFinished);
  const call = async (path: string, then: Then, body?: object): Promise<void> => {
    const { status } = await fetch(`http://127.0.0.1:${port}/api/auth${path}`, {
      method: body === undefined ? 'GET' : 'POST',
      headers: {
        ...Object.fromEntries(owner.headers),
        ...{ 'content-type': 'application/json', 'x-then': then, connection: 'close' },
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    expect(status).toBe(200);
  };
  const remove = async (then: Then): Promise<object> => {
    const { userId, memberId } = await newMember();
    await call('/organization/remove-member', then, { memberIdOrEmail: memberId, organizationId });
    return { name: 'member.removed', userId, organizationId };
  };
  const published = (event: object) =>
    until('the event', () => recorder.events.some((one) => JSON.stringify(one) === JSON.stringify(event)));
  return {
    ...{ child, proxy, recorder, remove, published },
    /** Connected, and frozen. */
    warmUp: async (): Promise<void> => {
      await published(await remove('stay'));
      await call('/ok', 'freeze');
      await until(
        'it is frozen',
        () => execFileSync('ps', ['-o', 'state=', '-p', String(child.pid)])[0] === 'T'.charCodeAt(0),
      );
    },
  };
};

type Function = Awaited<ReturnType<typeof startFunction>>;
/** What becomes of the connection while the function is frozen; null: the function is new and has none. */
const CONNECTIONS: readonly (readonly [string, ((proxy: Function['proxy']) => void) | null])[] = [
  ['without a connection yet', null],
  ['with a connection that lives', () => {}],
  ['with a connection that was reset', (proxy) => proxy.cut()],
  ['with a connection lost in silence', (proxy) => proxy.forget()],
];
const CASES = CONNECTIONS.flatMap(([connection, happens]) =>
  (['background', 'await'] as const).map((way) => ({ connection, happens, way, end: 'freeze' as Then })),
);
const ENDS = (['background', 'await'] as const).map((way) => ({
  ...{ connection: 'without a connection yet', happens: null, way, end: 'exit' as Then },
}));

it.each([...CASES, ...ENDS])(
  'a serverless function publishes its event: $way, $end, $connection',
  async ({ happens, way, end }) => {
    const one = await startFunction(way);
    if (happens !== null) {
      await one.warmUp();
      happens(one.proxy);
      one.child.kill('SIGCONT');
    }
    const event = await one.remove(end);
    if (way === 'await') {
      await one.recorder.catchUp();
      expect(one.recorder.events).toContainEqual(event);
    } else await one.published(event);
  },
);
