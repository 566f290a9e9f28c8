import { describe, expect, it } from 'vitest';
import { stripBearer } from '../../../src/token/principal.ts';

describe('stripBearer', () => {
  it.each([
    ['a.b.c', 'a.b.c'],
    ['Bearer a.b.c', 'a.b.c'],
    ['bearer a.b.c', 'a.b.c'],
    ['BEARER    a.b.c', 'a.b.c'],
    ['Bearera.b.c', 'Bearera.b.c'],
    ['Bearer', 'Bearer'],
    ['Bearer ', ''],
    ['Bearer\ta.b.c', 'Bearer\ta.b.c'],
    [' Bearer a.b.c', ' Bearer a.b.c'],
    ['Basic a.b.c', 'Basic a.b.c'],
    ['Bearer a.b.c ', 'a.b.c '],
    ['a.b.c Bearer d', 'a.b.c Bearer d'],
  ])('stripBearer turns %j into %j', (text, token) => {
    expect(stripBearer(text)).toBe(token);
  });
});
