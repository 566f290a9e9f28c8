/** `@assent/client`: asks Assent who a caller is and what they may do. */
export type { Assent, CallOptions, CheckOptions } from './assent.ts';
export { createAssent } from './create-assent.ts';
export { AssentError, type AssentErrorCode, type AssentErrorOptions } from './errors.ts';
export { createFakeAssent, type FakeAssent, type FakeAssentOptions, type FakeCheck } from './fake.ts';
export type { AssentLogger, AssentOptions, TlsOptions } from './options.ts';
export type * from './types.ts';
