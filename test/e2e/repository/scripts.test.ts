/** The checks of `npm test` that are scripts: each finds the fault that it looks for. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '../../..');
const API = 'proto/assent/auth/v1/auth_service.proto';
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'assent-scripts-'));
  for (const name of ['proto', 'gen', 'scripts', 'buf.yaml', 'buf.gen.yaml', 'package.json', 'src/rpc/proto']) {
    cpSync(join(root, name), join(folder, name), { recursive: true });
  }
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const run = (command: string, ...args: readonly string[]) => {
  const PATH = `${join(root, 'node_modules/.bin')}${delimiter}${process.env['PATH']}`;
  // Without the user's settings for git: names, signatures, hooks.
  const env = { ...process.env, PATH, GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_SYSTEM: '/dev/null' };
  const { status, stdout, stderr } = spawnSync(command, args, { cwd: folder, env, encoding: 'utf8' });
  return { status, output: `${stdout}${stderr}` };
};
const git = (...args: readonly string[]): void => {
  const { status, output } = run('git', '-c', 'user.name=t', '-c', 'user.email=t@example.com', ...args);
  expect(status, output).toBe(0);
};
const edit = (name: string, from: string, to: string): void => {
  const text = readFileSync(join(folder, name), 'utf8');
  expect(text).toContain(from);
  writeFileSync(join(folder, name), text.replace(from, to));
};
const script = (name: string) => run(process.execPath, `scripts/${name}.ts`);

describe('npm run breaking', () => {
  it('`npm run breaking` compares with the last release tag when one exists', () => {
    git('init', '-q', '-b', 'main');
    expect(script('check-breaking')).toMatchObject({
      status: 0,
      output: expect.stringContaining('No release tag yet'),
    });
    git('add', 'proto', 'buf.yaml');
    git('commit', '-qm', 'first');
    git('tag', 'v0.1.0');
    // Neither of these is a release.
    git('tag', 'v9.9.9-rc.1');
    git('tag', 'v10');
    edit(API, 'int32 page_size = 2;', 'int32 page_size = 2;\n  // Of a later version.\n  string later = 4;');
    expect(script('check-breaking')).toMatchObject({
      status: 0,
      output: expect.stringContaining('breaks nothing of v0.1.0'),
    });
    edit(API, 'int32 page_size = 2;', 'int32 page_length = 2;');
    const { status, output } = script('check-breaking');
    expect(status).not.toBe(0);
    expect(output).toContain('page_size');
  });
});

describe('npm run generated', () => {
  it('`npm run generated` finds outdated code, and code that is not generated any more', () => {
    expect(script('check-generated')).toEqual({ status: 0, output: '' });
    edit(API, 'int32 page_size = 2;', 'int32 page_size = 2;\n  // Of a later version.\n  string later = 4;');
    writeFileSync(join(folder, 'gen/old_pb.ts'), '');
    const { status, output } = script('check-generated');
    expect(status).toBe(1);
    expect(output).toContain('assent/auth/v1/auth_service_pb.ts');
    expect(output).toContain('old_pb.ts');
  });
});
