/** `@assent/better-auth`. */
export { type AssentOptions, assent } from './plugin.ts';
