/**
 * Changes of the demo's application over HTTP are published on NATS. Every kind of change, and NATS away, are in
 * test/integration/better-auth.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { z } from 'zod';
import { type Application, createApplication, TEST_SECRET } from '../../support/application.ts';
import { type EventRecorder, recordEvents } from '../../support/better-auth/event-recorder.ts';
import { testDatabase } from '../../support/database.ts';
import { testNats } from '../../support/nats.ts';
import { applicationTemplate } from '../../support/template.ts';
import { until } from '../../support/until.ts';

const { url: natsUrl, stream, prefix } = await testNats();
const database = await testDatabase(await applicationTemplate('plural'));
const idSchema = z.object({ id: z.string() });

let application: Application;
let recorder: EventRecorder;
beforeAll(async () => {
  recorder = await recordEvents(natsUrl, prefix);
  application = await createApplication({ databaseUrl: database.url, secret: TEST_SECRET, natsUrl, stream, prefix });
});
afterAll(() => application.stop());

it('the application of the demo publishes each change once, in order', async () => {
  const rootId = await application.createUser({ name: 'Root', email: 'root@example.com', role: 'superadmin' });
  const root = await application.signIn('root@example.com');
  const owner = await application.signUp('Olivia', 'olivia@example.com');
  const { userId, email, post } = await application.signUp('Sam', 'sam@example.com');
  const created = await owner.post('/organization/create', { name: 'Acme', slug: 'acme' });
  const organizationId = idSchema.parse(created).id;
  const invited = await owner.post('/organization/invite-member', { email, role: 'staff', organizationId });
  await post('/organization/accept-invitation', { invitationId: idSchema.parse(invited).id });
  await post('/organization/leave', { organizationId });
  await owner.post('/organization/create-role', { role: 'auditor', permission: { data: ['read'] }, organizationId });
  const memberId = await application.addMember(userId, organizationId, 'auditor');
  await owner.post('/organization/update-member-role', { memberId, organizationId, role: 'admin' });
  await expect(post('/admin/ban-user', { userId: owner.userId })).rejects.toThrow(/403/);
  await root.post('/admin/ban-user', { userId });
  await owner.post('/organization/remove-member', { memberIdOrEmail: email, organizationId });
  await root.post('/admin/remove-user', { userId });
  await owner.post('/organization/delete', { organizationId });

  await until('the last event', () => recorder.events.at(-1)?.name === 'organization.deleted');
  const pair = { userId, organizationId };
  expect(recorder.events).toEqual([
    { name: 'user.updated', userId: rootId },
    { name: 'user.updated', userId: owner.userId },
    { name: 'user.updated', userId },
    { name: 'organization.updated', organizationId },
    { name: 'member.added', userId: owner.userId, organizationId },
    { name: 'member.added', ...pair },
    { name: 'member.removed', ...pair },
    { name: 'organization_role.changed', organizationId },
    { name: 'member.added', ...pair },
    { name: 'member.role_changed', ...pair },
    { name: 'user.updated', userId },
    { name: 'member.removed', ...pair },
    { name: 'user.deleted', userId },
    { name: 'organization.deleted', organizationId },
  ]);
});
