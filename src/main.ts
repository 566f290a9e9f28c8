/** The entry: `node --import=./src/compile-cache.mjs src/main.ts`. The cache has to be on before process.ts is compiled. */
import './compile-cache.mjs';

await import('./process.ts');
