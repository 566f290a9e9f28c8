/** Each service of examples/ before the demo's application and the real service. Where Go is missing, one line says so. */
import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { type Live, startLive } from '../../demo/live.ts';
import { EXAMPLES, startExample } from '../../examples/programs.ts';
import { testFolder } from '../support/folder.ts';

const BUILD_MS = 300_000;
const folder = testFolder();
const stack = new AsyncDisposableStack();
afterAll(() => stack.disposeAsync());

const hasGo = (() => {
  try {
    execFileSync('go', ['version'], { stdio: 'pipe' });
    return true;
  } catch {
    return false;
  }
})();
if (!hasGo) process.stderr.write('not run: the examples in Go: Go is not installed\n');

let live: Live;
beforeAll(async () => {
  live = await startLive(stack);
}, 60_000);

const web = EXAMPLES.filter(({ speaks, language }) => speaks === 'http' && (hasGo || language !== 'go'));

describe.skipIf(web.length === 0)('the examples', () => {
  it.each(web)(
    '$name approves for the owner, and for a member while their role may',
    {
      timeout: BUILD_MS,
    },
    async ({ build }) => {
      const { application, assent, scene } = live;
      const example = await startExample(await build(folder.path), assent.grpcAddress);
      onTestFinished(() => example.stop());
      const approve = async (token?: string, organization: string = scene.organizationId): Promise<number> => {
        const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
        const url = `${example.address}/orgs/${organization}/leave/7/approve`;
        const response = await fetch(url, { method: 'POST', headers });
        const body = await response.text();
        if (response.status === 200)
          expect(JSON.parse(body)).toMatchObject({ leave: '7', approvedBy: expect.any(String) });
        return response.status;
      };
      const setRole = (role: string) =>
        scene.olivia.post('/organization/update-member-role', {
          memberId: scene.sam.memberId,
          organizationId: scene.organizationId,
          role,
        });
      const olivia = await scene.olivia.token();
      const sam = await (await application.signIn(scene.sam.email)).token();

      expect(await approve(olivia)).toBe(200);
      expect(await approve(olivia, 'another')).toBe(403);
      expect(await approve(olivia, '')).toBeGreaterThanOrEqual(400);
      expect(await approve()).toBe(401);
      expect(await approve('forged')).toBe(401);
      expect(await approve(sam)).toBe(403);
      await setRole('admin');
      await expect.poll(() => approve(sam), { timeout: 10_000 }).toBe(200);
      await setRole('staff');
      await expect.poll(() => approve(sam), { timeout: 10_000 }).toBe(403);
    },
  );
});
