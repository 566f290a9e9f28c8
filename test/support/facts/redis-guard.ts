/** The guard of the circuit in front of Redis. Its test needs a real event loop and a real server, and no simulation. */
import { by, type Edit } from '../mutated.ts';

export const delayOfTheEventLoop: Edit = {
  guard: 'delay-of-the-event-loop',
  to: by('const timer = setTimeout(late, timeoutMs)'),
};
