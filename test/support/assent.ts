/** The service as a process, for tests: started and stopped with them, and called by JSON. */
import { type ServingAssent, startAssent } from '../../tools/assent/assent-process.ts';

/**
 * Starts the service.
 * @param atEnd `afterAll` or `onTestFinished`: when the service is stopped.
 */
export async function startAssentUntil(
  atEnd: (stop: () => Promise<void>) => void,
  environment: Readonly<Record<string, string>>,
): Promise<ServingAssent> {
  const assent = await startAssent(environment);
  atEnd(async () => void (await assent.stop()));
  return assent;
}

/** The answer of a method to a call in JSON, that of an error included. */
export async function callJson(
  { httpUrl }: ServingAssent,
  method: string,
  body: object,
  headers: Readonly<Record<string, string>> = {},
): Promise<Record<string, unknown>> {
  const response = await fetch(`${httpUrl}/assent.auth.v1.AuthService/${method}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
  return (await response.json()) as Record<string, unknown>;
}
