/** A log whose reader does not read: a pipe that is full. */
import { execFileSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { createLineWriter } from '../../src/telemetry/line-writer.ts';
import { until } from '../support/until.ts';

it('keeps lines for a reader that comes back, up to a bound, and none is torn', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'assent-lines-'));
  const path = join(folder, 'pipe');
  execFileSync('mkfifo', [path]);
  const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  onTestFinished(() => {
    closeSync(fd);
    rmSync(folder, { recursive: true });
  });
  const writer = createLineWriter(fd);
  const line = (index: number): string => `${index} ${'é'.repeat(5_000)}\n`;
  for (let index = 0; index < 300; index += 1) writer.write(line(index));

  const buffer = Buffer.alloc(4_000_000);
  let length = 0;
  const read = (): void => {
    try {
      while (true) length += readSync(fd, buffer, length, buffer.length - length, null);
    } catch {
      // Empty for now.
    }
  };
  // The bound is reached at about the hundredth line of ten kilobytes.
  await until('what waited is there', () => {
    read();
    return length > 1_000_000;
  });
  writer.write('the last\n');
  await until('it goes on', () => {
    read();
    return buffer.toString('utf8', 0, length).endsWith('the last\n');
  });
  const lines = buffer.toString('utf8', 0, length).split('\n').slice(0, -2);
  expect(lines.length).toBeLessThan(120);
  expect(lines.map((text) => `${text}\n`)).toEqual(lines.map((_text, index) => line(index)));
});
