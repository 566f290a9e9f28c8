/** Unix sockets: the mode with which the system makes them, and the errors of their paths. */
import { mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, it, onTestFinished } from 'vitest';
import { testFolder } from '../../support/folder.ts';
import { openServer } from '../../support/server/test-server.ts';

const { path: folder } = testFolder();
const umask = process.umask();
afterEach(() => void process.umask(umask));

const listen = async (path: string, socketMode?: number) => {
  const server = await openServer('grpc', {
    address: { kind: 'unix', path },
    ...(socketMode === undefined ? {} : { socketMode }),
  });
  onTestFinished(() => server.stop(0));
};
const modeOf = (path: string): string => (statSync(path).mode & 0o777).toString(8);

it.each([
  [0o000, undefined, '660'],
  [0o077, undefined, '660'],
  [0o000, 0o600, '600'],
  [0o077, 0o666, '666'],
])(
  'with the umask %o and the setting %o a socket has the mode %s from its first moment',
  async (mask, mode, expected) => {
    process.umask(mask);
    const path = join(folder, `${mask}-${mode}.sock`);
    const listening = listen(path, mode);
    // The system makes the socket before the server listens.
    expect(modeOf(path)).toBe(expected);
    await listening;
    expect(modeOf(path)).toBe(expected);
    expect(process.umask()).toBe(mask);
  },
);

it('a socket in a folder that does not exist, in a file, or with a path that is too long is refused with the cause', async () => {
  await expect(listen(join(folder, 'missing', 'a.sock'))).rejects.toThrow(/missing does not exist: make it first$/);
  writeFileSync(join(folder, 'file'), '');
  await expect(listen(join(folder, 'file', 'a.sock'))).rejects.toThrow(/file is not a folder$/);
  const long = 'x'.repeat(100);
  mkdirSync(join(folder, long));
  await expect(listen(join(folder, long, 'a.sock'))).rejects.toThrow('has at most 107 bytes');
  expect(readdirSync(join(folder, long))).toEqual([]);
});
