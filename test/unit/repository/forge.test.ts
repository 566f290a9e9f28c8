/** The files of a forge, read by a parser: the forge itself runs them. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';

const root = join(import.meta.dirname, '../../..');
const read = (name: string): string => readFileSync(join(root, name), 'utf8');

const step = z.object({ uses: z.string().optional(), run: z.string().optional() });
const workflow = z.object({
  on: z.object({ push: z.object({ branches: z.array(z.string()) }), pull_request: z.null() }),
  permissions: z.object({ contents: z.literal('read') }),
  jobs: z.record(z.string(), z.object({ 'runs-on': z.string(), 'timeout-minutes': z.number(), steps: z.array(step) })),
});

it('the workflow runs the CI script and builds the image', () => {
  const { jobs } = workflow.parse(parse(read('.github/workflows/ci.yml')));
  const commands = Object.values(jobs).flatMap(({ steps }) => steps.flatMap(({ run = [] }) => run));
  expect(commands).toContain('bash .ci/run');
  expect(existsSync(join(root, '.ci/run'))).toBe(true);
  expect(commands.some((command) => command.startsWith('docker build '))).toBe(true);
});

it('each job of the workflow checks the sources out first, and names a version of each action', () => {
  const { jobs } = workflow.parse(parse(read('.github/workflows/ci.yml')));
  for (const { steps } of Object.values(jobs)) {
    expect(steps[0]?.uses).toMatch(/^actions\/checkout@/);
    expect(steps.flatMap(({ uses = [] }) => uses).filter((uses) => !/@v\d+$/.test(uses))).toEqual([]);
  }
});

it('the forms for issues have a name, a description and fields', () => {
  const forms = readdirSync(join(root, '.github/ISSUE_TEMPLATE')).filter((name) => name !== 'config.yml');
  const form = z.object({
    name: z.string(),
    description: z.string(),
    body: z.array(z.object({ type: z.string() })).min(1),
  });
  expect(forms.length).toBeGreaterThan(1);
  for (const name of forms) form.parse(parse(read(`.github/ISSUE_TEMPLATE/${name}`)));
});

it("Dependabot looks for updates of npm packages and of the workflow's actions", () => {
  const dependabot = z.object({
    version: z.literal(2),
    updates: z.array(z.object({ 'package-ecosystem': z.string() })),
  });
  const { updates } = dependabot.parse(parse(read('.github/dependabot.yml')));
  expect(updates.map((update) => update['package-ecosystem'])).toEqual(['npm', 'github-actions']);
});
