import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { cacheFolder, isTrusted } from '../../../tools/local-services/folders.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'assent-test-'));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

describe('the cache folder', () => {
  it('the cache folder is a private folder below XDG_CACHE_HOME', async () => {
    vi.stubEnv('XDG_CACHE_HOME', join(folder, 'cache'));
    const found = await cacheFolder();
    expect(found.startsWith(join(folder, 'cache', 'assent'))).toBe(true);
    expect(statSync(found).mode & 0o777).toBe(0o700);
  });

  it('the cache folder is elsewhere when other users can write to the existing one', async () => {
    vi.stubEnv('XDG_CACHE_HOME', folder);
    mkdirSync(join(folder, 'assent'));
    chmodSync(join(folder, 'assent'), 0o777);
    expect((await cacheFolder()).startsWith(folder)).toBe(false);
  });
});

describe('a trusted folder', () => {
  it('a trusted folder is a real folder to which no other user can write', async () => {
    expect(await isTrusted(folder)).toBe(true);
    expect(await isTrusted(join(folder, 'missing'))).toBe(false);
    symlinkSync(folder, join(folder, 'link'));
    expect(await isTrusted(join(folder, 'link'))).toBe(false);
    chmodSync(folder, 0o720);
    expect(await isTrusted(folder)).toBe(false);
  });
});
