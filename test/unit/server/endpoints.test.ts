import { expect, it } from 'vitest';
import { createEndpoints } from '../../../src/server/endpoints.ts';

const metrics = async () => ({ text: 'some 1\n', contentType: 'text/plain; version=0.0.4' });

it.each([
  ['GET', '/livez', true, 200],
  ['HEAD', '/livez', false, 200],
  ['GET', '/readyz', true, 200],
  ['GET', '/readyz?verbose', false, 503],
  ['GET', '/metrics', false, 200],
  ['POST', '/metrics', true, 404],
  ['DELETE', '/livez', true, 404],
  ['GET', '/livez/', true, 404],
  ['GET', '//livez', true, 404],
  ['GET', '/', true, 404],
  [undefined, undefined, true, 404],
] as const)('the request %s %s with serving %s is answered with %s', async (method, url, serving, status) => {
  expect((await createEndpoints(metrics, () => serving)(method, url)).status).toBe(status);
});

it('metrics that cannot be collected are answered with 500 and without the reason', async () => {
  const endpoints = createEndpoints(
    () => Promise.reject(new Error('hidden')),
    () => true,
  );
  expect(await endpoints('GET', '/metrics')).toEqual({
    ...{ status: 500, type: 'text/plain', body: Buffer.from('the metrics could not be collected\n') },
  });
});
