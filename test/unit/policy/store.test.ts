import { mkdtempSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { PolicyError } from '../../../src/policy/file.ts';
import { createPolicyStore, type PolicyReload, type PolicyStore } from '../../../src/policy/store.ts';
import { until } from '../../support/until.ts';

let folder = '';
let path = '';
let reloads: PolicyReload[] = [];
let store: PolicyStore;
const policy = (role: string): string => `version: 1\ndefaultPlatformRole: ${role}\n`;
const inForce = (): string => store.current().defaultPlatformRole;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'assent-policy-'));
  path = join(folder, 'policy.yaml');
  reloads = [];
  store = createPolicyStore({ path, onReload: (reload) => reloads.push(reload), intervalMs: 10 });
});
afterEach(() => {
  store.stop();
  rmSync(folder, { recursive: true });
});

describe('the policy store', () => {
  it("the policy store has Better Auth's default roles without a file", async () => {
    const defaults = createPolicyStore({ path: null, onReload: () => {} });
    await defaults.start();
    expect([...defaults.current().organizationRoles.keys()]).toEqual(['owner', 'admin', 'member']);
    expect(defaults.current().platformRoles.size).toBe(0);
  });

  it('the policy store refuses to start with a file that has problems, or with a missing file', async () => {
    await expect(store.start()).rejects.toThrow(`ASSENT_POLICY: ${path}: cannot be read (ENOENT)`);
    writeFileSync(path, 'version: 3');
    await expect(store.start()).rejects.toThrow(PolicyError);
  });

  it('the policy store takes a changed file: written in place, renamed over, or behind a link that moved', async () => {
    writeFileSync(path, policy('one'));
    await store.start();
    expect(inForce()).toBe('one');
    writeFileSync(path, policy('two'));
    await until('the file written in place', () => inForce() === 'two');
    writeFileSync(`${path}.new`, policy('three'));
    renameSync(`${path}.new`, path);
    await until('the file renamed over', () => inForce() === 'three');
    writeFileSync(join(folder, 'v4'), policy('four'));
    unlinkSync(path);
    symlinkSync('v4', path);
    await until('the link', () => inForce() === 'four');
    expect(reloads).toEqual(Array(3).fill({ ok: true, problems: [] }));
  });

  it('the policy store keeps the old policy while the new one has problems, and logs that once', async () => {
    writeFileSync(path, policy('one'));
    await store.start();
    writeFileSync(path, 'version: 1\nrolez: {}');
    await until('the problems', () => reloads.length > 0);
    expect(reloads[0]).toMatchObject({ ok: false });
    expect(reloads[0]?.problems[0]).toContain(`${path}:2:1: unknown key "rolez"`);
    expect(inForce()).toBe('one');
    writeFileSync(path, policy('two'));
    await until('the mended file', () => inForce() === 'two');
    expect(reloads).toHaveLength(2);
  });

  it('the policy store keeps the old policy while there is no file', async () => {
    writeFileSync(path, policy('one'));
    await store.start();
    unlinkSync(path);
    writeFileSync(`${path}.new`, policy('two'));
    expect(inForce()).toBe('one');
    renameSync(`${path}.new`, path);
    await until('the new file', () => inForce() === 'two');
    expect(reloads).toEqual([{ ok: true, problems: [] }]);
  });

  it('the policy store looks at its configured interval, and logs nothing for an unchanged or missing file', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    onTestFinished(() => void vi.useRealTimers());
    writeFileSync(path, policy('one'));
    await store.start();
    const look = async (): Promise<void> => {
      vi.advanceTimersByTime(10);
      // A reading that began later ends later.
      await readFile(folder).catch(() => {});
      await readFile(path).catch(() => {});
    };
    for (let count = 0; count < 3; count += 1) await look();
    unlinkSync(path);
    for (let count = 0; count < 3; count += 1) await look();
    expect(reloads).toEqual([]);
    expect(inForce()).toBe('one');
  });

  describe('a look at the policy file', () => {
    beforeEach(() => {
      vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
      onTestFinished(() => void vi.useRealTimers());
      writeFileSync(path, policy('one'));
    });

    it('the policy store ignores a file that is still being written: half of a name can be another name', async () => {
      await store.start();
      const written = policy('administrator-readonly');
      for (const length of [0, 30, written.indexOf('-readonly'), written.length]) {
        writeFileSync(path, written.slice(0, length));
        await store.look();
        expect(inForce()).toBe('one');
      }
      await store.look();
      expect(inForce()).toBe('administrator-readonly');
      expect(reloads).toEqual([{ ok: true, problems: [] }]);
    });

    it('the policy store does not take an unchanged file for a new one', async () => {
      await store.start();
      writeFileSync(path, 'version: 3');
      await store.look();
      writeFileSync(path, policy('one'));
      for (let count = 0; count < 3; count += 1) await store.look();
      expect(reloads).toEqual([]);
    });

    it('the policy store looks once at a time: looks at once are one look, and a slow file system holds one thread', async () => {
      await store.start();
      writeFileSync(path, policy('two'));
      vi.advanceTimersByTime(100);
      await Promise.all([store.look(), store.look(), store.look()]);
      expect(inForce()).toBe('one');
      await store.look();
      expect(inForce()).toBe('two');
    });

    it('a reload takes a changed policy at once, and leaves the old one in force for a bad file', async () => {
      await store.start();
      writeFileSync(path, policy('two'));
      await store.reload();
      expect(inForce()).toBe('two');
      writeFileSync(path, 'version: 3');
      await store.reload();
      expect(inForce()).toBe('two');
      expect(reloads).toMatchObject([{ ok: true }, { ok: false }]);
    });
  });

  it('the policy store logs once that the file is gone', async () => {
    writeFileSync(path, policy('one'));
    await store.start();
    unlinkSync(path);
    await until('the report', () => reloads.length > 0);
    writeFileSync(path, policy('two'));
    await until('the new file', () => inForce() === 'two');
    expect(reloads).toEqual([
      { ok: false, problems: [`${path}: cannot be read (ENOENT)`] },
      { ok: true, problems: [] },
    ]);
  });

  describe('a large policy file', () => {
    /** A file with so many roles that it is not small. */
    const large = (role: string, more = ''): string => {
      const roles = Array.from({ length: 500 }, (_, index) => `  r${index}: { extends: [base] }`);
      return `${policy(role)}organizationRoles:\n  base: { grants: { a: [x] } }\n${roles.join('\n')}\n${more}`;
    };
    /** Counts the threads that this process makes. */
    const threads = () => {
      let count = 0;
      const note = (): void => {
        count += 1;
      };
      process.on('worker', note);
      onTestFinished(() => {
        process.off('worker', note);
      });
      return () => count;
    };
    beforeEach(async () => {
      writeFileSync(path, policy('one'));
      await store.start();
      store.stop();
    });

    it('a large policy file is parsed on another thread, a small one at once', async () => {
      const made = threads();
      writeFileSync(path, policy('two'));
      await store.reload();
      expect([inForce(), made()]).toEqual(['two', 0]);
      writeFileSync(path, large('three'));
      await store.reload();
      expect([inForce(), made()]).toEqual(['three', 1]);
      const { organizationRoles } = store.current();
      expect(organizationRoles.get('r7')).toEqual({ byResource: new Map([['a', new Set(['x'])]]) });
      expect(organizationRoles.get('r7')?.byResource).toBe(organizationRoles.get('base')?.byResource);
    });

    it('a small policy file that is read while a large one is parsed takes effect after it', async () => {
      const made = threads();
      writeFileSync(path, large('two'));
      const first = store.reload();
      await until('the thread', () => made() === 1);
      expect(inForce()).toBe('one');
      writeFileSync(path, policy('three'));
      await Promise.all([first, store.reload()]);
      expect(inForce()).toBe('three');
      expect(reloads).toEqual(Array(2).fill({ ok: true, problems: [] }));
    });

    it('a large policy file with problems leaves the old policy in force, with the same problems as at the start', async () => {
      const broken = large(
        'two',
        Array.from({ length: 200 }, (_, index) => `  x${index}: { extends: [y] }`).join('\n'),
      );
      writeFileSync(path, broken);
      await store.reload();
      expect(inForce()).toBe('one');
      const atStart = createPolicyStore({ path, onReload: () => {} });
      await expect(atStart.start()).rejects.toThrow(reloads[0]?.problems.join('\n'));
      expect(reloads[0]?.problems).toHaveLength(101);
    });
  });
});
