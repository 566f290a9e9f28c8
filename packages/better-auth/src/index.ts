/** `@assent/better-auth`. */
export { type AssentOptions, type AssentPlugin, assent } from './plugin.ts';
export type { Published } from './session.ts';
