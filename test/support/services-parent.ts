/**
 * A program that starts the servers that its second argument lists (`postgres,redis,nats`), says which processes and
 * folders they have, and then ends in the way its first argument names, without stopping them: `wait` for a signal,
 * `exit`, `throw`, or `return` from the last line.
 */
import { startNats, startPostgres, startRedis } from '../../tools/local-services/index.ts';

const [ending, services = ''] = process.argv.slice(2);
const wanted = new Set(services.split(','));
const [postgres, redis, nats] = await Promise.all([
  wanted.has('postgres') ? startPostgres() : undefined,
  wanted.has('redis') ? startRedis({ own: true }) : undefined,
  wanted.has('nats') ? startNats({ own: true }) : undefined,
]);
const report = {
  pids: [postgres?.pid, redis?.pid, nats?.pid].filter((pid) => pid !== undefined),
  folders: [postgres?.dataFolder, redis?.folder, nats?.folder].filter((folder) => folder !== undefined),
};
process.stdout.write(`${JSON.stringify(report)}\n`);

if (ending === 'wait') {
  setInterval(() => {}, 60_000);
} else if (ending === 'exit') {
  process.exit(3);
} else if (ending === 'throw') {
  throw new Error('on purpose');
}
