/** The exports of `@assent/better-auth`: the plugin and its types. */
export { type AssentOptions, type AssentPlugin, assent, type Published } from './plugin.ts';
