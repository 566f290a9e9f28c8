/** Whether JetStream can be had through a connection. */
import { ErrorCode, type NatsConnection, NatsError } from 'nats';

const REQUEST_TIMEOUT_MS = 1_000;

/** @returns The answer of JetStream's API, null where nobody answers for it. */
const askApi = async (connection: NatsConnection): Promise<unknown> => {
  try {
    return (await connection.request('$JS.API.INFO', '', { timeout: REQUEST_TIMEOUT_MS })).json();
  } catch (error) {
    if (error instanceof NatsError && error.code === ErrorCode.NoResponders) return null;
    throw error;
  }
};

/** Whether JetStream can be had. A server that has it but is not ready yet is an error, never a no. */
export const hasJetStream = async (connection: NatsConnection): Promise<boolean> => {
  if (connection.info?.jetstream === true) return true;
  // A server without JetStream may still reach one in its cluster that has it.
  return (await askApi(connection)) !== null;
};

/** Whether JetStream is there and ready: for who can do without it until it is. */
export const jetStreamIsReady = async (connection: NatsConnection): Promise<boolean> => {
  const answer = await askApi(connection).catch(() => null);
  return typeof answer === 'object' && answer !== null && !('error' in answer);
};
