/** The log: each line of the source has a stable event, and docs/operate/log.md lists exactly these events. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const ROOT = join(import.meta.dirname, '../../..');
const SRC = join(ROOT, 'src');

/** A call of the log, as `log.warn({ event: 'part.name', …`; the event is empty for a call without one. */
interface LogCall {
  readonly file: string;
  readonly level: string;
  readonly event: string;
  readonly fields: readonly string[];
}

const CALL =
  /\blog\.(?<level>fatal|error|warn|info|debug|trace)\((?:\s*\{\s*event: '(?<event>[^']*)',?(?<rest>[^}]*)\}|(?<variable>line))?/g;

function logCalls(file: string, text: string): readonly LogCall[] {
  // The relay logs one line at two levels; the object has a name then.
  const [, named = ''] = /const line = \{ event: '([^']*)'/.exec(text) ?? [];
  return [...text.matchAll(CALL)].map(({ groups = {} }) => ({
    file,
    level: groups['level'] ?? '',
    event: groups['variable'] === undefined ? (groups['event'] ?? '') : named,
    fields: [...(groups['rest'] ?? '').matchAll(/(?:^|[\s,])(\w+)(?=\s*[:,]|\s*$)/g)].map(([, name = '']) => name),
  }));
}

const calls = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .flatMap((name) => logCalls(name, readFileSync(join(SRC, name), 'utf8')));

/** The rows of the table: event, level, fields. */
const rows = readFileSync(join(ROOT, 'docs/operate/log.md'), 'utf8')
  .split('\n')
  .filter((line) => line.startsWith('| `'))
  .map((line) => {
    const [, event = '', level = '', , fields = ''] = line.split('|').map((cell) => cell.trim());
    return { event: event.replaceAll('`', ''), level, fields: fields.replaceAll('`', '').split(', ') };
  });

describe('the log of the source', () => {
  it('has a call without an event in no file', () => {
    expect(calls.length).toBeGreaterThan(30);
    expect(calls.filter(({ event }) => !/^[a-z]+\.[a-z_]+$/.test(event))).toEqual([]);
  });

  it('has a planted call without an event found by this test', () => {
    expect(logCalls('planted.ts', "log.info('text'); log.warn({ error }, 'text');")).toMatchObject([
      { level: 'info', event: '' },
      { level: 'warn', event: '' },
    ]);
  });

  it('has exactly the events of docs/operate/log.md', () => {
    expect(rows.map(({ event }) => event)).toEqual([...new Set(calls.map(({ event }) => event))].toSorted());
  });

  it('has the levels of docs/operate/log.md', () => {
    for (const { event, level } of rows) {
      const used = calls.filter((call) => call.event === event).map((call) => call.level);
      if (level !== 'any') expect(used, event).toContain(level);
    }
  });

  it('has one key for errors', () => {
    for (const { event, fields } of calls) expect(fields, event).not.toContain('err');
    const documented = new Map(rows.map(({ event, fields }) => [event, fields]));
    const undocumented = calls.flatMap(({ event, fields }) =>
      fields.includes('error') && documented.get(event)?.includes('error') !== true ? [event] : [],
    );
    expect(undocumented).toEqual([]);
  });
});
