// Every npm script begins with this check. npm puts the `node` package (24) first on the path; where its install script
// was blocked, an older Node would run and fail later with errors that name nothing useful. CommonJS and old syntax, so
// that any Node can run it.
'use strict';
var major = Number(process.versions.node.split('.')[0]);
if (major < 24) {
  console.error(
    'Assent needs Node.js 24 or newer and found ' +
      process.version +
      ': run "npm ci" again with install scripts allowed, or install Node.js 24.',
  );
  process.exit(1);
}
