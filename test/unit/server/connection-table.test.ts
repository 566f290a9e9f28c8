import { describe, expect, it } from 'vitest';
import {
  addressKey,
  type ConnectionLimits,
  ConnectionTable,
  NO_ADDRESS,
} from '../../../src/server/connection-table.ts';

interface Named {
  readonly name: string;
}

const table = (limits: Partial<ConnectionLimits>): ConnectionTable<Named> =>
  new ConnectionTable({ total: 0, perAddress: 0, strangers: 0, ...limits });

const named = (...names: readonly string[]): readonly Named[] => names.map((name) => ({ name }));

describe('the number of connections', () => {
  it('without bounds every connection has room', () => {
    const connections = table({});
    for (const one of named('a', 'b', 'c')) expect(connections.add(one, '1').met).toBe(null);
    expect([connections.strangers, connections.known]).toEqual([3, 0]);
  });

  it('at the bound the stranger goes whose last request is the oldest', () => {
    const connections = table({ total: 3 });
    const [first, second, third, fourth] = named('first', 'second', 'third', 'fourth') as [Named, Named, Named, Named];
    for (const one of [first, second, third]) connections.add(one, '1');
    connections.touch(first);
    expect(connections.add(fourth, '1')).toEqual({ evicted: second, admitted: true, met: 'connections' });
    expect(connections.strangers).toBe(3);
  });

  it('where every connection is known a new one is refused', () => {
    const connections = table({ total: 1 });
    const [known, late] = named('known', 'late') as [Named, Named];
    connections.add(known, '1');
    connections.makeKnown(known);
    expect(connections.add(late, '1')).toEqual({ evicted: null, admitted: false, met: 'connections' });
    expect([connections.strangers, connections.known]).toEqual([0, 1]);
  });

  it('a known connection becomes a stranger while there is room for one, else it is removed', () => {
    const connections = table({ strangers: 1 });
    const [first, second] = named('first', 'second') as [Named, Named];
    for (const one of [first, second]) {
      connections.add(one, '1');
      connections.makeKnown(one);
    }
    expect(connections.makeStranger(first)).toBe(true);
    expect(connections.makeStranger(first)).toBe(true);
    expect([connections.strangers, connections.known]).toEqual([1, 1]);
    expect(connections.makeStranger(second)).toBe(false);
    expect([connections.strangers, connections.known]).toEqual([1, 0]);
    connections.makeKnown(first);
    expect([connections.strangers, connections.known]).toEqual([0, 1]);
  });

  it('an address with many strangers pushes out no stranger of another', () => {
    const connections = table({ strangers: 4 });
    const [honest, ...crowd] = named('honest', 'a', 'b', 'c', 'd', 'e') as [Named, ...Named[]];
    connections.add(honest, '2');
    for (const one of crowd) expect(connections.add(one, '1').evicted).not.toBe(honest);
    expect(connections.strangers).toBe(4);
  });

  it('the bound per address counts known connections, and makes room among the strangers of the address alone', () => {
    const connections = table({ perAddress: 2 });
    const [known, stranger, other, late, later] = named('known', 'stranger', 'other', 'late', 'later') as [
      Named,
      Named,
      Named,
      Named,
      Named,
    ];
    connections.add(known, '1');
    connections.makeKnown(known);
    connections.add(other, '2');
    connections.add(stranger, '1');
    expect(connections.add(late, '1')).toEqual({
      evicted: stranger,
      admitted: true,
      met: 'connections_per_address',
    });
    connections.makeKnown(late);
    expect(connections.add(later, '1').admitted).toBe(false);
  });

  it('no bound per address concerns connections without an address', () => {
    const connections = table({ perAddress: 1 });
    for (const one of named('a', 'b')) expect(connections.add(one, NO_ADDRESS).met).toBe(null);
  });

  it('a connection that has ended makes room, once', () => {
    const connections = table({ total: 2, perAddress: 2 });
    const [one, two, three] = named('one', 'two', 'three') as [Named, Named, Named];
    connections.add(one, '1');
    connections.add(two, '1');
    connections.makeKnown(two);
    connections.makeKnown(two);
    for (const gone of [one, one, two, two]) connections.remove(gone);
    connections.makeKnown(one);
    connections.touch(one);
    expect([connections.strangers, connections.known]).toEqual([0, 0]);
    expect(connections.add(three, '1').met).toBe(null);
  });
});

describe('the key of an address', () => {
  it.each([
    ['10.1.2.3', '10.1.2.3'],
    ['::ffff:10.1.2.3', '10.1.2.3'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['2001:db8:1:2::6', '2001:db8:1:2'],
    ['2001:db8::6', '2001:db8:0:0'],
    ['fe80::1%eth0', 'fe80:0:0:0'],
    ['::1', '0:0:0:0'],
    [undefined, NO_ADDRESS],
  ])('the key of %s is "%s"', (address, key) => {
    expect(addressKey(address)).toBe(key);
  });
});
