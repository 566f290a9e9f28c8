/** Where the process begins: `node --import=./src/compile-cache.mjs src/main.ts`. All that it does is in process.ts. */
import './compile-cache.mjs';

await import('./process.ts');
