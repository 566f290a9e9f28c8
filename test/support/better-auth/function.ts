/**
 * A function of a serverless platform: an HTTP server with Better Auth and the plugin, which is frozen (SIGSTOP) or ends
 * once it has answered and the promises given to `waitUntil` have settled. The request's header `x-then` says which:
 * `freeze`, `exit`, or `stay`. Argument: {@link FunctionSettings} as JSON. It prints its port.
 */
import { createServer } from 'node:http';
import { betterAuth } from 'better-auth';
import { organization } from 'better-auth/plugins';
import pg from 'pg';
import { assent } from '../../../packages/better-auth/src/index.ts';

export interface FunctionSettings {
  readonly databaseUrl: string;
  readonly nats: string;
  readonly prefix: string;
  readonly stream: string;
  /** How the plugin learns that the platform waits: by `advanced.backgroundTasks.handler`, by `await: true`, or not. */
  readonly way: 'background' | 'await' | 'none';
}

const settings: FunctionSettings = JSON.parse(process.argv[2] ?? '');
const { databaseUrl, nats, prefix, stream, way } = settings;

// The clocks jump by a minute when the process goes on.
let ahead = 0;
const monotonic = performance.now.bind(performance);
const wall = Date.now.bind(Date);
performance.now = () => monotonic() + ahead;
Date.now = () => wall() + ahead;

const background = new Set<Promise<unknown>>();
const waitUntil = (promise: Promise<unknown>): void => void background.add(promise);

const auth = betterAuth({
  database: new pg.Pool({ connectionString: databaseUrl }),
  baseURL: 'http://localhost:3000',
  secret: 'a-secret-of-the-tests-that-is-long-enough',
  logger: { level: 'warn' },
  rateLimit: { enabled: false },
  ...(way === 'background' ? { advanced: { backgroundTasks: { handler: waitUntil } } } : {}),
  plugins: [
    organization(),
    // Shorter than an acknowledgement is waited for: a connection that is dead has to be noticed before.
    assent({ nats, prefix, stream, ...(way === 'await' ? { await: true, awaitMs: 4_000 } : {}) }),
  ],
});

const server = createServer(async (request, response) => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const { 'content-length': _, ...headers } = request.headers as Record<string, string>;
  const body = chunks.length > 0 ? { body: Buffer.concat(chunks) } : {};
  const url = new URL(request.url ?? '/', 'http://localhost:3000');
  const answer = await auth.handler(new Request(url, { method: request.method ?? 'GET', headers, ...body }));
  response.writeHead(answer.status, { 'content-type': 'application/json' });
  response.end(await answer.text(), async () => {
    await Promise.all(background);
    background.clear();
    if (headers['x-then'] === 'exit') process.exit(0);
    if (headers['x-then'] === 'freeze') {
      process.kill(process.pid, 'SIGSTOP');
      ahead += 60_000;
    }
  });
});
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  process.stdout.write(`${typeof address === 'object' ? address?.port : ''}\n`);
});
