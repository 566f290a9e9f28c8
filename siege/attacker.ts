/** The attacker, a process: its threads and its memory are nothing that the service's figures could be mistaken for. */
import { setPriority } from 'node:os';
import type { AttackOrder } from './attack-process.ts';
import { attackOf } from './attacks.ts';
import type { Tally } from './scenario.ts';
import { seeEnds } from './wire.ts';

/** It shares its core with the honest caller, whose own waiting must not be taken for the service's. */
const NICE = 15;

const tally: Tally = { opened: 0, ended: 0, sent: 0, answered: 0, wrong: 0 };

process.on('message', (message: AttackOrder | 'tally') => {
  if (message === 'tally') void seeEnds(tally).then(() => process.send?.(tally));
  else {
    const { name, target } = message;
    attackOf(name)
      .run(target, tally)
      .then(
        () => process.send?.(tally),
        (error: unknown) => {
          process.stderr.write(`${name}: ${String(error)}\n`);
          process.exit(1);
        },
      );
  }
});
process.on('disconnect', () => process.exit());
setPriority(NICE);
