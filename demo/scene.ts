/** The people of the tour, and the client that asks about them. */
import { type Client, createClient } from '@connectrpc/connect';
import { createGrpcTransport, Http2SessionManager } from '@connectrpc/connect-node';
import { z } from 'zod';
import { AuthService } from '../gen/assent/auth/v1/auth_service_pb.ts';
import type { Session } from './application/client.ts';
import type { Application } from './application/server.ts';

export interface Scene {
  /** Superadmin of the platform. */
  readonly root: Session;
  /** Owner of Acme. */
  readonly olivia: Session;
  /** Staff at Acme; signs in during the tour. */
  readonly sam: { readonly userId: string; readonly email: string; readonly memberId: string };
  readonly organizationId: string;
}

const organizationSchema = z.object({ id: z.string() });

/** Fills the application's empty database, by its API as far as that goes without invitations. */
export const createScene = async (application: Application): Promise<Scene> => {
  await application.createUser({ name: 'Root', email: 'root@platform.example', role: 'superadmin' });
  const root = await application.signIn('root@platform.example');
  const olivia = await application.signUp('Olivia', 'olivia@acme.example');
  const created = await olivia.post('/organization/create', { name: 'Acme', slug: 'acme' });
  const { id: organizationId } = organizationSchema.parse(created);
  const email = 'sam@acme.example';
  const userId = await application.createUser({ name: 'Sam', email });
  const memberId = await application.addMember(userId, organizationId, 'staff');
  // The jwt plugin makes its key with the first token. An application that has been up for a while has one.
  await olivia.token();
  return { root, olivia, sam: { userId, email, memberId }, organizationId };
};

const TIMEOUT_MS = 5_000;

/** A gRPC client that is connected already, so that the first call's time is that of a call. */
export const createGrpcClient = async (
  url: string,
): Promise<{ readonly client: Client<typeof AuthService>; close(): void }> => {
  const sessionManager = new Http2SessionManager(url);
  await sessionManager.connect();
  const transport = createGrpcTransport({ baseUrl: url, sessionManager, defaultTimeoutMs: TIMEOUT_MS });
  return { client: createClient(AuthService, transport), close: () => sessionManager.abort() };
};
