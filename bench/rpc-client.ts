/** Calls by a real client, to see that answers are right: h2load does not look at them. */
import { Client, credentials } from '@grpc/grpc-js';
import type { Question } from './questions.ts';

const asIs = (bytes: Buffer): Buffer => bytes;

const ask = (client: Client, { path, body, isAnswer }: Question): Promise<Buffer> =>
  new Promise<Buffer>((resolve, reject) => {
    const deadline = Date.now() + DEADLINE_MS;
    client.makeUnaryRequest(path, asIs, asIs, Buffer.from(body), { deadline }, (error, value = Buffer.alloc(0)) => {
      if (error !== null) reject(error);
      else if (isAnswer(value)) resolve(value);
      else reject(new Error(`${path} answered something else than expected`));
    });
  });

/**
 * Asks each once, one after the other.
 * @returns The size of the last answer's message in bytes.
 * @throws when a call fails or an answer is not the expected one.
 */
export const askEach = async (address: string, questions: readonly Question[]): Promise<number> => {
  const client = new Client(address, credentials.createInsecure());
  let size = 0;
  try {
    for (const question of questions) size = (await ask(client, question)).length;
  } finally {
    client.close();
  }
  return size;
};

const DEADLINE_MS = 10_000;
