import { describe, expect, it } from 'vitest';
import { isGoModulePath, moved } from '../../scripts/go-module-path/moved.ts';

describe('the module path of the Go kit', () => {
  it.each([
    ['module assent.example/go\n', 'module github.com/a/b\n'],
    ['import "assent.example/go/assenttest"', 'import "github.com/a/b/assenttest"'],
    ['replace assent.example/go => ../', 'replace github.com/a/b => ../'],
    ['assent.example/gone other.assent.example/go', 'assent.example/gone other.assent.example/go'],
  ])('is changed where it is whole, or the beginning of a path: %s', (before, after) => {
    expect(moved(before, 'assent.example/go', 'github.com/a/b')).toBe(after);
  });

  it.each([
    ['github.com/a/b', true],
    ['assent.example/go', true],
    ['', false],
    ['github.com', false],
    ['nodot/a', false],
    ['github.com/a b', false],
    ['https://github.com/a', false],
  ])('is checked: %s', (path, isPath) => {
    expect(isGoModulePath(path)).toBe(isPath);
  });
});
