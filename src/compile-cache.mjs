// Node keeps stripped and compiled files from one start to the next. Without this cache, stripping types and compiling take
// more than half of the time to the first answer. The cache is in node_modules, not in the shared temporary folder, where
// another user could place code. A folder that cannot be written only disables the cache. This file is JavaScript and is
// loaded first (`--import`), so that with a warm cache Node does not load its type stripper, which takes 15 MB.
import { enableCompileCache } from 'node:module';
import { join } from 'node:path';

enableCompileCache(join(import.meta.dirname, '..', 'node_modules', '.cache', 'assent'));
