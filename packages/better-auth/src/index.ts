/** `@assent/better-auth`. */
export { type AssentOptions, type AssentPlugin, assent, type Published } from './plugin.ts';
