/** A log whose reader does not read: a pipe that is full. */
import { execFileSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { createLineWriter } from '../../../src/telemetry/line-writer.ts';
import { until } from '../../support/until.ts';

/** A pipe without a reader before `read`, which returns all bytes that have come so far. */
const openPipe = () => {
  const folder = mkdtempSync(join(tmpdir(), 'assent-lines-'));
  const path = join(folder, 'pipe');
  execFileSync('mkfifo', [path]);
  const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  onTestFinished(() => {
    closeSync(fd);
    rmSync(folder, { recursive: true });
  });
  const buffer = Buffer.alloc(4_000_000);
  let length = 0;
  const read = (): string => {
    try {
      while (true) length += readSync(fd, buffer, length, buffer.length - length, null);
    } catch {
      // Empty for now.
    }
    return buffer.toString('utf8', 0, length);
  };
  return { fd, read };
};

it('the line writer keeps lines for a stalled reader up to a bound, and cuts none', async () => {
  const { fd, read } = openPipe();
  const writer = createLineWriter(fd);
  const line = (index: number): string => `${index} ${'é'.repeat(5_000)}\n`;
  for (let index = 0; index < 300; index += 1) writer.write(line(index));

  // The bound is reached at about the hundredth line of ten kilobytes.
  await until('the waiting lines', () => Buffer.byteLength(read()) > 1_000_000);
  writer.write('the last\n');
  await until('it goes on', () => read().endsWith('the last\n'));
  const lines = read().split('\n').slice(0, -2);
  expect(lines.length).toBeLessThan(120);
  expect(lines.map((text) => `${text}\n`)).toEqual(lines.map((_text, index) => line(index)));
});

it('the lines of two processes on one pipe are not mixed, also after a wait', async () => {
  const { fd, read } = openPipe();
  const [slow, other] = [createLineWriter(fd), createLineWriter(fd)];
  const lines = Array.from({ length: 200 }, (_unused, index) => `${index} ${'x'.repeat(1_000)}`);
  for (const line of lines.slice(0, -1)) slow.write(`${line}\n`);
  read();
  // Tries what waits as well, which is more than the pipe takes.
  slow.write(`${lines.at(-1)}\n`);
  read();
  other.write('other\n');

  await until('all is there', () => read().split('\n').length > 201);
  expect(read().split('\n').toSorted()).toEqual(['', ...lines, 'other'].toSorted());
});
