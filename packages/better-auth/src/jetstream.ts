/** Whether JetStream can be had through a connection. */
import { ErrorCode, type NatsConnection, NatsError } from 'nats';

const TIMEOUT_MS = 2_000;
/** How often to look again where it could not be had. */
const LOOK_AGAIN_MS = 30_000;

/** @returns The answer of JetStream's API, null where nobody answers for it. */
const askApi = async (connection: NatsConnection): Promise<unknown> => {
  try {
    return (await connection.request('$JS.API.INFO', '', { timeout: TIMEOUT_MS })).json();
  } catch (error) {
    if (error instanceof NatsError && error.code === ErrorCode.NoResponders) return null;
    throw error;
  }
};

/** Whether JetStream can be had. A server that has it but is not ready yet is an error, never a no. */
export const hasJetStream = async (connection: NatsConnection): Promise<boolean> => {
  if (connection.info?.jetstream === true) return true;
  // A server without it may reach one in its cluster that has it.
  return (await askApi(connection)) !== null;
};

/** Closes a connection once JetStream can be had after all: it is another session that uses it. */
export const endWithJetStream = (connection: NatsConnection): void => {
  const look = async (): Promise<void> => {
    const answer = await askApi(connection).catch(() => null);
    if (typeof answer === 'object' && answer !== null && !('error' in answer)) await connection.close();
  };
  const timer = setInterval(() => void look(), LOOK_AGAIN_MS);
  timer.unref();
  void connection.closed().then(() => clearInterval(timer));
};
