import { expect, it } from 'vitest';
import { parseDependencies } from '../../../tools/local-services/apt.ts';

it('dependencies, alternatives and virtual packages are read from the output of apt-cache', () => {
  const text = [
    'redis-tools',
    '  PreDepends: init-system-helpers',
    '  Depends: libc6',
    ' |Depends: libsystemd0',
    '  Depends: libelogind0',
    '  Depends: <libjemalloc>',
    '    libjemalloc1',
    '    libjemalloc2',
    '  Depends: python3:any',
    '',
  ].join('\n');
  expect(parseDependencies(text)).toEqual([
    ['init-system-helpers'],
    ['libc6'],
    ['libsystemd0', 'libelogind0'],
    ['libjemalloc1', 'libjemalloc2'],
    ['python3'],
  ]);
});
