/** `npm run example -- NAME`: a service of this folder before the demo's application, until Ctrl-C. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startLive } from '../demo/live.ts';
import { print } from '../demo/print.ts';
import { runProgram } from '../demo/program.ts';
import { interrupted } from '../demo/stop.ts';
import { EXAMPLES, type ExampleProgram, startExample } from './programs.ts';

await runProgram((stack) => {
  const name = process.argv[2];
  const program = EXAMPLES.find((each) => each.name === name);
  if (program === undefined) {
    throw new Error(`npm run example -- NAME, and NAME is one of: ${EXAMPLES.map((each) => each.name).join(', ')}`);
  }
  return runExample(program, stack);
});

async function runExample(program: ExampleProgram, stack: AsyncDisposableStack): Promise<number> {
  const stopped = interrupted();
  stack.defer(() => print.note('stopping everything …'));
  const started = await Promise.race([startAll(program, stack), stopped]);
  if (typeof started === 'number') return started;
  print.title(`${program.name} runs until Ctrl-C; paste these lines into another terminal`);
  for (const line of started) print.say(line);
  return stopped;
}

/** Lines to paste: Olivia, the owner, may approve leave, and Sam, who is staff, may not. */
async function startAll(program: ExampleProgram, stack: AsyncDisposableStack): Promise<readonly string[]> {
  const { application, scene, assent } = await startLive(stack);
  const folder = await mkdtemp(join(tmpdir(), 'assent-example-'));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  const example = await print.during(program.name, async () => {
    const built = await program.build(folder);
    return stack.adopt(await startExample(built, assent.grpcAddress), (each) => each.stop());
  });
  const [olivia, sam] = [await scene.olivia.token(), await (await application.signIn(scene.sam.email)).token()];
  const lineFor = (token: string): string =>
    program.speaks === 'http'
      ? `curl -i -X POST -H 'authorization: Bearer ${token}' ${example.address}/orgs/${scene.organizationId}/leave/7/approve`
      : `grpcurl -plaintext -H 'authorization: Bearer ${token}' -d '{"organizationId":"${scene.organizationId}","leaveId":"7"}' ${example.address} leave.v1.LeaveService/Approve`;
  return ['# Olivia, the owner, may approve leave', lineFor(olivia), '# Sam, who is staff, may not', lineFor(sam)];
}
