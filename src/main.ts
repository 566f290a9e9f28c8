/** Where the process begins: `node src/main.ts`. All that it does is in process.ts. */
import { enableCompileCache } from 'node:module';
import { join } from 'node:path';

// Stripping types and compiling take more than half of the time to the first answer; kept from the start before, they do
// not. Beside the installed packages and not in the shared temporary folder, where others could put code for us to run.
// Where the folder cannot be written, everything works without.
enableCompileCache(join(import.meta.dirname, '..', 'node_modules', '.cache', 'assent'));
await import('./process.ts');
