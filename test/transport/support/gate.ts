import { createHash } from 'node:crypto';
import { type CallerGate, createCallerGate } from '../../../src/transport/callers.ts';

/** A gate that lets pass whoever sends this token. */
export const gateOf = (token: string): CallerGate =>
  createCallerGate([{ name: 'test', digest: createHash('sha256').update(token).digest() }]);
