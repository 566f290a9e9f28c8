/** Every change that the demo's application can be made to make is told on NATS, after its commit. */
import { connect, type NatsConnection } from 'nats';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { Change } from '../../demo/monolith/events.ts';
import { testDatabase } from '../support/database.ts';
import { createMonolith, type Monolith, type Session, TEST_SECRET } from '../support/monolith.ts';
import { testNats } from '../support/nats.ts';
import { type Server, startNats } from '../support/services/index.ts';
import { monolithTemplate } from '../support/template.ts';

const { url: natsUrl, stream, prefix } = await testNats();
const database = await testDatabase(await monolithTemplate('plural'));

const idSchema = z.object({ id: z.string() });
const eventSchema = z.looseObject({ id: z.uuid(), occurredAt: z.iso.datetime() });

/** All events of a stream, without what differs from run to run, and how often each `Nats-Msg-Id` is their `id`. */
const readEvents = async (connection: NatsConnection, name = stream): Promise<unknown[]> => {
  const manager = await connection.jetstreamManager();
  const { state } = await manager.streams.info(name);
  const events: unknown[] = [];
  for (let seq = state.first_seq; seq <= state.last_seq; seq += 1) {
    const message = await manager.streams.getMessage(name, { seq });
    const { id, occurredAt, ...ids } = eventSchema.parse(message.json());
    expect(message.header.get('Nats-Msg-Id')).toBe(id);
    expect(Math.abs(Date.now() - Date.parse(occurredAt))).toBeLessThan(60_000);
    events.push({ name: message.subject.slice(prefix.length + 1), ...ids });
  }
  return events;
};

describe('with NATS', () => {
  let connection: NatsConnection;
  let monolith: Monolith;
  let root: Session;
  let owner: Session;
  let sam: Session;
  let organizationId: string;
  let number = 0;

  beforeAll(async () => {
    connection = await connect({ servers: natsUrl });
    monolith = await createMonolith({ databaseUrl: database.url, secret: TEST_SECRET, natsUrl, stream, prefix });
    await monolith.createUser({ name: 'Root', email: 'root@example.com', role: 'superadmin' });
    root = await monolith.signIn('root@example.com');
    owner = await monolith.signUp('Olivia', 'olivia@example.com');
  });
  beforeEach(async () => {
    number += 1;
    sam = await monolith.signUp('Sam', `sam-${number}@example.com`);
    const created = await owner.post('/organization/create', { name: 'Acme', slug: `acme-${number}` });
    organizationId = idSchema.parse(created).id;
    const manager = await connection.jetstreamManager();
    await manager.streams.purge(stream);
  });
  afterAll(async () => {
    await monolith.stop();
    await connection.close();
  });

  const pair = () => ({ userId: sam.userId, organizationId });

  it('creating an organization makes its creator a member', async () => {
    const created = await owner.post('/organization/create', { name: 'New', slug: 'new' });
    const ids = { userId: owner.userId, organizationId: idSchema.parse(created).id };
    expect(await readEvents(connection)).toEqual([{ name: 'member.added', ...ids }]);
  });

  it('an invitation that is accepted, and leaving', async () => {
    const invitation = await owner.post('/organization/invite-member', {
      email: sam.email,
      role: 'staff',
      organizationId,
    });
    await sam.post('/organization/accept-invitation', { invitationId: idSchema.parse(invitation).id });
    await sam.post('/organization/leave', { organizationId });
    expect(await readEvents(connection)).toEqual([
      { name: 'member.added', ...pair() },
      { name: 'member.removed', ...pair() },
    ]);
  });

  it('a member who is added, changed and removed', async () => {
    const memberId = await monolith.addMember(sam.userId, organizationId, 'staff');
    await owner.post('/organization/update-member-role', { memberId, organizationId, role: 'admin' });
    await owner.post('/organization/remove-member', { memberIdOrEmail: sam.email, organizationId });
    expect(await readEvents(connection)).toEqual([
      { name: 'member.added', ...pair() },
      { name: 'member.role_changed', ...pair() },
      { name: 'member.removed', ...pair() },
    ]);
  });

  it('an organization that is changed and deleted', async () => {
    await owner.post('/organization/update', { organizationId, data: { name: 'Acme Ltd' } });
    await owner.post('/organization/delete', { organizationId });
    expect(await readEvents(connection)).toEqual([
      { name: 'organization.updated', organizationId },
      { name: 'organization.deleted', organizationId },
    ]);
  });

  it('dynamic roles', async () => {
    const role = { role: 'auditor', permission: { data: ['read'] } };
    await owner.post('/organization/create-role', { ...role, organizationId });
    // Without the id it is the active organization.
    const data = { permission: { data: ['write'] } };
    await owner.post('/organization/set-active', { organizationId });
    await owner.post('/organization/update-role', { roleName: 'auditor', data });
    await owner.post('/organization/delete-role', { roleName: 'auditor', organizationId });
    expect(await readEvents(connection)).toEqual(
      Array.from({ length: 3 }, () => ({ name: 'organization_role.changed', organizationId })),
    );
  });

  it('platform role, ban, unban and removal of a user', async () => {
    const { userId } = sam;
    await root.post('/admin/set-role', { userId, role: 'superadmin' });
    await root.post('/admin/ban-user', { userId });
    await root.post('/admin/unban-user', { userId });
    await root.post('/admin/remove-user', { userId });
    expect(await readEvents(connection)).toEqual([
      ...Array.from({ length: 3 }, () => ({ name: 'user.updated', userId })),
      { name: 'user.deleted', userId },
    ]);
  });

  it('a change that is refused is not told', async () => {
    await monolith.addMember(sam.userId, organizationId, 'staff');
    const events = await readEvents(connection);
    const refused = sam.post('/organization/create-role', { role: 'x', permission: {}, organizationId });
    await expect(refused).rejects.toThrow(/40\d/);
    await expect(owner.post('/organization/leave', { organizationId })).rejects.toThrow(/40\d/);
    await expect(owner.post('/admin/ban-user', { userId: sam.userId })).rejects.toThrow(/403/);
    expect(await readEvents(connection)).toEqual(events);
  });
});

describe('while NATS is away', () => {
  let server: Server;
  let monolith: Monolith;
  const changes: Change[] = [];

  beforeAll(async () => {
    server = await startNats({ own: true });
    monolith = await createMonolith({
      databaseUrl: database.url,
      secret: TEST_SECRET,
      natsUrl: server.url,
      stream,
      prefix,
      onChange: (change) => changes.push(change),
    });
  });
  afterEach(async () => {
    await monolith.stop();
    await server.stop();
  });

  it('requests go on, and what they changed is told once when it is back', async () => {
    const owner = await monolith.signUp('Olga', 'olga@example.com');
    await owner.post('/organization/create', { name: 'First', slug: 'first' });
    await server.kill('SIGKILL');
    await owner.post('/organization/create', { name: 'Second', slug: 'second' });
    expect(changes).toHaveLength(2);
    await server.restart();
    const connection = await connect({ servers: server.url });
    await expect.poll(() => readEvents(connection), { timeout: 10_000 }).toEqual(changes);
    await connection.close();
  });
});
