/** Services, the Better Auth application with its people, and Assent before it: the ground of the tour and of the examples. */
import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { type ServingAssent, startAssent } from '../tools/assent/assent-process.ts';
import { grantLeastPrivilege } from '../tools/assent/least-privilege.ts';
import { type Application, createApplication } from './application/server.ts';
import { print } from './print.ts';
import { createScene, type Scene } from './scene.ts';
import { type Services, startServices } from './services.ts';

export interface Live {
  readonly application: Application;
  readonly scene: Scene;
  readonly assent: ServingAssent;
  /** Null where NATS cannot be had: Assent then receives no events. */
  readonly nats: Services['nats'];
}

const POLICY = fileURLToPath(new URL('policy.yaml', import.meta.url));
const TOKEN_LIFETIME = '1h';

/**
 * Starts them.
 * @param stack Stops what was started.
 * @throws ServiceUnavailable where PostgreSQL cannot run.
 */
export async function startLive(stack: AsyncDisposableStack): Promise<Live> {
  const { databaseUrl, redisUrl, nats } = await startServices(stack);
  if (redisUrl === null) print.problem('  without Redis: each process of Assent remembers for itself');
  if (nats === null) print.problem('  without NATS: Assent receives no events');

  const secret = randomBytes(32).toString('hex');
  const names = nats === null ? {} : { stream: nats.stream, prefix: nats.prefix };
  const application = await print.during('the Better Auth application', async () => {
    const options = { databaseUrl, secret, natsUrl: nats?.url ?? null, ...names };
    const started = await createApplication({ ...options, tokenLifetime: TOKEN_LIFETIME });
    stack.defer(() => started.stop());
    await started.migrate();
    return started;
  });
  const scene = await createScene(application);

  const assent = await print.during('Assent', async () => {
    const settings = {
      DATABASE_URL: await grantLeastPrivilege(databaseUrl),
      BETTER_AUTH_SECRET: secret,
      BETTER_AUTH_URL: application.url,
      ASSENT_POLICY: POLICY,
      ...(redisUrl === null ? {} : { REDIS_URL: redisUrl }),
      ...(nats === null ? {} : { NATS_URL: nats.url, NATS_STREAM: nats.stream, ASSENT_EVENTS_PREFIX: nats.prefix }),
    };
    return stack.adopt(await startAssent(settings), async (started) => void (await started.stop()));
  });
  return { application, scene, assent, nats };
}
