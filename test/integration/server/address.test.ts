import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { clearStaleSocket, formatAddress } from '../../../src/server/address.ts';

let folder = '';
let path = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'assent-address-'));
  path = join(folder, 'server.sock');
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('an existing unix socket', () => {
  const clear = () => clearStaleSocket({ kind: 'unix', path });

  it('an existing unix socket is removed when its process was killed', async () => {
    const listenAndDie = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
    expect(() => execFileSync(process.execPath, ['--eval', listenAndDie])).toThrow();
    expect(existsSync(path)).toBe(true);
    await clear();
    expect(existsSync(path)).toBe(false);
  });

  it('an existing unix socket stays when a process listens on it', async () => {
    const server = createServer((socket) => socket.destroy());
    onTestFinished(() => void server.close());
    await new Promise<void>((resolve) => server.listen(path, resolve));
    await clear();
    expect(existsSync(path)).toBe(true);
  });

  it('a file that is not a socket stays, although no process listens on it', async () => {
    writeFileSync(path, 'kept');
    await clear();
    expect(readFileSync(path, 'utf8')).toBe('kept');
  });

  it('a missing unix socket is not an error', async () => {
    await clear();
    await clearStaleSocket({ kind: 'tcp', host: '127.0.0.1', port: 0 });
    // Too long for a socket's name: what stops a look at it says nothing of who listens.
    await clearStaleSocket({ kind: 'unix', path: join(folder, 'x'.repeat(200)) });
  });
});

it('addresses are formatted in their usual form', () => {
  expect(formatAddress({ kind: 'unix', path: '/run/server.sock' })).toBe('unix:/run/server.sock');
  expect(formatAddress({ kind: 'tcp', host: '::1', port: 0 }, 8080)).toBe('[::1]:8080');
  expect(formatAddress({ kind: 'tcp', host: 'localhost', port: 1 })).toBe('localhost:1');
});
