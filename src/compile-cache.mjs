// Stripping types and compiling take more than half of the time to the first answer; kept from the start before, they do
// not. Beside the installed packages and not in the shared temporary folder, where others could put code for us to run.
// Where the folder cannot be written, everything works without. Not TypeScript, and loaded first (`--import`): Node's
// stripper, which then need not be loaded either, takes 15 MB.
import { enableCompileCache } from 'node:module';
import { join } from 'node:path';

enableCompileCache(join(import.meta.dirname, '..', 'node_modules', '.cache', 'assent'));
