/** The call in TypeScript of docs/use/calling.md, as a program like the ones of sdks/. */
import { setTimeout as delay } from 'node:timers/promises';
import { enumToJson } from '@bufbuild/protobuf';
import { Code, ConnectError, createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { AuthService, ReasonSchema } from '../../../gen/assent/auth/v1/auth_service_pb.ts';

const [address = '', userId = '', organizationId = '', permission = '', everyMs] = process.argv.slice(2);
const transport = createGrpcTransport({ baseUrl: `http://${address}`, pingIntervalMs: 10_000, pingTimeoutMs: 2_000 });
const assent = createClient(AuthService, transport);
const token = process.env['ASSENT_TOKEN'];
const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };

do {
  process.stdout.write(`${await ask()}\n`);
  await delay(Number(everyMs ?? 0));
} while (everyMs !== undefined);
// The connection stays open for the next call.
process.exit();

async function ask(): Promise<string> {
  try {
    const answer = await assent.checkPermission(
      {
        subject: { case: 'userId', value: userId },
        scope: { case: 'organizationId', value: organizationId },
        permission,
      },
      { headers, timeoutMs: 1_000 },
    );
    return `${answer.allowed ? 'allowed' : 'denied'} ${enumToJson(ReasonSchema, answer.reason)}`;
  } catch (error) {
    return `error ${Code[ConnectError.from(error).code]}`;
  }
}
