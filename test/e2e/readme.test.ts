/** The README's examples, run as they stand there but for the ids, the token and the addresses. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { AuthService } from '../../gen/assent/auth/v1/auth_service_pb.ts';
import { type ServingAssent, startAssent } from '../../tools/assent/assent-process.ts';
import { leastPrivilegeUrl } from '../../tools/assent/least-privilege.ts';
import { run } from '../../tools/run.ts';
import { createApplication, TEST_SECRET } from '../support/application.ts';
import { testDatabase } from '../support/database.ts';
import { testNats } from '../support/nats.ts';
import { testRedis } from '../support/redis.ts';
import { applicationTemplate } from '../support/template.ts';

const root = join(import.meta.dirname, '../..');
const readme = readFileSync(join(root, 'README.md'), 'utf8');
const blocks = [...readme.matchAll(/```(?<kind>\w+)\n(?<text>.*?)```/gs)].map(({ groups }) => ({
  kind: groups?.['kind'] ?? '',
  text: groups?.['text'] ?? '',
}));
/** The example that has this text in it, as one line of the shell. */
const example = (kind: string, text: string): string => {
  const found = blocks.filter((block) => block.kind === kind && block.text.includes(text));
  expect(found, `examples with ${text}`).toHaveLength(1);
  return found[0]?.text.replace(/\\\n\s*/g, ' ').trim() ?? '';
};

const [database, redis, nats] = [
  await testDatabase(await applicationTemplate('plural')),
  await testRedis(),
  await testNats(),
];
const folder = mkdtempSync(join(tmpdir(), 'assent-readme-'));
afterAll(() => rmSync(folder, { recursive: true }));
const application = await createApplication({ databaseUrl: database.url, secret: TEST_SECRET, natsUrl: null });
afterAll(() => application.stop());
const admin = await application.signUp('Ada', 'ada@example.com');
const body = { name: 'Acme', slug: 'acme' };
const { id: organizationId } = (await admin.post('/organization/create', body)) as { id: string };
// The creator of an organization owns it.
const member = await application.signUp('Sam', 'sam@example.com');
await application.addMember(member.userId, organizationId, 'admin');

let assent: ServingAssent;
beforeAll(async () => {
  const policy = join(folder, 'policy.yaml');
  writeFileSync(policy, 'version: 1\norganizationRoles: { admin: { grants: { leave: [approve] } } }\n');
  const values: Readonly<Record<string, string>> = {
    DATABASE_URL: leastPrivilegeUrl(database.url),
    BETTER_AUTH_SECRET: TEST_SECRET,
    BETTER_AUTH_URL: application.url,
    REDIS_URL: redis.url,
    NATS_URL: nats.url,
    ASSENT_POLICY: policy,
  };
  const start = example('sh', 'npm start');
  const named = [...start.matchAll(/\b([A-Z_]+)=/g)].map(([, name = '']) => name);
  expect(named.toSorted()).toEqual(Object.keys(values).toSorted());
  // A stream of the test's own: the server has other tests' events.
  assent = await startAssent({ ...values, NATS_STREAM: nats.stream, ASSENT_EVENTS_PREFIX: nats.prefix });
});
afterAll(() => assent.stop());

/** The words of a command, without quotes. */
const words = (line: string): readonly string[] =>
  [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '');

it("the README's call by curl gives the answer that is printed below it", async () => {
  const line = example('sh', 'curl -s ')
    .replace('USER_ID', member.userId)
    .replace('ORGANIZATION_ID', organizationId)
    .replace('http://127.0.0.1:8080', assent.httpUrl ?? '');
  const args = words(line);
  const after = (flag: string): string => args[args.indexOf(flag) + 1] ?? '';
  // What curl does is done by fetch: not every machine has curl.
  expect(args[0]).toBe('curl');
  const [name = '', value = ''] = after('-H').split(': ');
  const ask = async (): Promise<unknown> => {
    const response = await fetch(args.at(-1) ?? '', { method: 'POST', headers: { [name]: value }, body: after('-d') });
    return response.json();
  };
  await ask();
  const shown = JSON.parse(example('json', '"allowed"')) as object;
  expect(await ask()).toEqual({ ...shown, computedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/) });
});

it("the README's call by buf works", async () => {
  const ask = async (token: string): Promise<unknown> => {
    const line = example('sh', 'npx @bufbuild/buf curl')
      .replace('JWT', token)
      .replace('ORGANIZATION_ID', organizationId)
      .replace('http://127.0.0.1:50051', assent.grpcUrl);
    const [npx, buf, ...args] = words(line);
    expect([npx, buf]).toEqual(['npx', '@bufbuild/buf']);
    return JSON.parse((await run(join(root, 'node_modules/.bin/buf'), args)).stdout);
  };
  // No active organization, as in the token of an application without definePayload.
  const granted = { allowed: true, grantedBy: 'admin', principal: { userId: member.userId } };
  expect(await ask(await member.token())).toMatchObject(granted);
  const denied = { allowed: false, reason: 'REASON_ROLE_LACKS_PERMISSION' };
  expect(await ask(await admin.token())).toMatchObject(denied);
});

it("the README's call in TypeScript works", async () => {
  const code = example('ts', 'createClient')
    .replace('USER_ID', member.userId)
    .replace('ORGANIZATION_ID', organizationId)
    .replace('http://127.0.0.1:50051', `http://${assent.grpcUrl.replace(/^http:\/\//, '')}`);
  // Read from stdin, so that imports are those of a file at the root of the repository.
  const node = run(process.execPath, ['--input-type=module', '-'], { cwd: root });
  node.child.stdin?.end(code);
  expect((await node).stdout).toBe('true\n');
});

it("the README's call in Go names messages, fields and choices of the API", () => {
  const code = example('go', 'NewAuthServiceClient');
  const { input, output } = AuthService.method.checkPermission;
  const fields = new Set(input.fields.map(({ name }) => goName(name)));
  const choices = [...code.matchAll(/authv1\.CheckPermissionRequest_(\w+)\{(\w+):/g)];
  expect(choices).toHaveLength(2);
  for (const [, choice = '', field = ''] of choices) expect([choice, fields.has(choice)]).toEqual([field, true]);
  const set = [...code.matchAll(/^\t(\w+): /gm)].map(([, name = '']) => name);
  const known = new Set([...fields, ...input.oneofs.map(({ name }) => goName(name))]);
  expect(set.filter((name) => !known.has(name))).toEqual([]);
  const read = [...code.matchAll(/\.Get(\w+)\(\)/g)].map(([, name = '']) => name);
  expect(read.filter((name) => !output.fields.some((field) => goName(field.name) === name))).toEqual([]);
  expect(read).toEqual(['Allowed']);
});

/** A name of the API as protoc-gen-go writes it. */
function goName(name: string): string {
  return name.replaceAll(/(?:^|_)(\w)/g, (_, letter: string) => letter.toUpperCase());
}

it("the README's commands are scripts of package.json", () => {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: object };
  const block = blocks.find(({ text }) => text.includes('npm run demo'))?.text ?? '';
  const named = [...block.matchAll(/npm (?:run )?(?!ci)(\w+)/g)].map(([, name]) => name);
  expect(named).toEqual(expect.arrayContaining(['demo', 'test']));
  expect(Object.keys(scripts)).toEqual(expect.arrayContaining(named));
});
