// Every npm script begins with this check. On Linux npm puts the Node that package.json installs first on the path; where
// that was left out, or there is none for the machine, an older Node would run and fail later with errors that name
// nothing useful. CommonJS and old syntax, so that any Node can run it.
'use strict';
var wanted = /\d+(?:\.\d+)+/.exec(require('../package.json').engines.node)[0];
if (parseInt(process.versions.node, 10) < parseInt(wanted, 10)) {
  console.error(
    'Assent needs Node.js ' +
      wanted +
      ' and found ' +
      process.version +
      '. On Linux (x64, arm64, glibc) "npm ci" installs it, unless optional dependencies are left out ' +
      '(--omit=optional); elsewhere, install Node.js ' +
      wanted +
      ' and put it first on the PATH.',
  );
  process.exit(1);
}
