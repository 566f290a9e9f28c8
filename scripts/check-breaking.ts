/** Compares the API with the last release tag, by `buf breaking`. Before the first release there is nothing to break. */
import { execFileSync } from 'node:child_process';

/** Release tags, newest first; none where the sources are not a git checkout. */
const releaseTags = (): readonly string[] => {
  try {
    const arguments_ = ['tag', '--list', 'v*', '--sort=-version:refname'];
    return execFileSync('git', arguments_, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).split('\n');
  } catch {
    return [];
  }
};

const last = releaseTags().find((tag) => /^v\d+\.\d+\.\d+$/.test(tag));
if (last === undefined) process.stdout.write('No release tag yet: nothing to compare the API with.\n');
else {
  execFileSync('buf', ['breaking', 'proto', '--against', `.git#tag=${last},subdir=proto`], { stdio: 'inherit' });
  process.stdout.write(`The API breaks nothing of ${last}.\n`);
}
