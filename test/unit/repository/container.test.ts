/** Dockerfile and docker-compose.yml, read by a parser: no container engine is needed, and none tries them here. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';

const root = join(import.meta.dirname, '../../..');
const read = (name: string): string => readFileSync(join(root, name), 'utf8');
const manifest = z.object({ dependencies: z.record(z.string(), z.string()) }).parse(JSON.parse(read('package.json')));

interface Instruction {
  readonly name: string;
  readonly flags: readonly string[];
  readonly args: readonly string[];
}

/** Instructions that a Dockerfile may have; a misspelt one is an error at the build only. */
const KNOWN = /^(?:FROM|WORKDIR|COPY|RUN|ENV|USER|EXPOSE|HEALTHCHECK|CMD)$/;

/** The stages of a Dockerfile, each a list of instructions. */
const stagesOf = (text: string): readonly (readonly Instruction[])[] => {
  const lines = text.split('\n').filter((line) => !/^\s*#/.test(line));
  const stages: Instruction[][] = [];
  for (const line of lines
    .join('\n')
    .replace(/\\\n\s*/g, ' ')
    .split('\n')) {
    const [name = '', ...words] = line.trim().split(/\s+/);
    if (name === '') continue;
    expect(name).toMatch(KNOWN);
    if (name === 'FROM') stages.push([]);
    const flags = words.filter((word) => word.startsWith('--') && name !== 'RUN');
    stages.at(-1)?.push({ name, flags, args: words.filter((word) => !flags.includes(word)) });
  }
  return stages;
};

/** The folders of the workspace's packages among the dependencies of the service. */
const ours = Object.keys(manifest.dependencies)
  .filter((name) => name.startsWith('@assent/'))
  .map((name) => name.replace('@assent', 'packages'));

const stages = stagesOf(read('Dockerfile'));
const last = stages.at(-1) ?? [];
const all = (name: string, stage = last): readonly Instruction[] => stage.filter((one) => one.name === name);
const copied = (stage = last): readonly string[] =>
  all('COPY', stage).flatMap(({ flags, args }) =>
    flags.some((flag) => flag.startsWith('--from=')) ? [] : args.slice(0, -1),
  );

describe('Dockerfile', () => {
  it('the Dockerfile copies files that exist and that .dockerignore does not exclude', () => {
    const [everything, ...admitted] = read('.dockerignore').trim().split('\n');
    expect(everything).toBe('*');
    for (const source of stages.flatMap((stage) => copied(stage))) {
      expect(existsSync(join(root, source)), source).toBe(true);
      expect(admitted.map((line) => line.replace(/^!/, ''))).toContain(source);
    }
  });

  it('the Dockerfile installs production dependencies only, without a second Node, and leaves the packages of the workspace out', () => {
    const [install] = stages.flatMap((stage) => all('RUN', stage)).map(({ args }) => args.join(' '));
    expect(install).toMatch(/^npm ci --omit=dev --omit=optional --ignore-scripts\b/);
    // With packages/better-auth beside the lock npm would install its peer, too: Better Auth and all that it needs.
    for (const stage of stages) expect(copied(stage).filter((source) => source.startsWith('packages'))).toEqual(ours);
  });

  it('the image has every package that the service imports', () => {
    expect(copied()).toEqual(expect.arrayContaining(['gen', 'src', ...ours]));
    const files = ['src', ...ours.map((name) => join(name, 'src'))].flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
        .filter((name) => name.endsWith('.ts'))
        .map((name) => join(folder, name)),
    );
    for (const file of files) {
      const path = join(root, file);
      const imported = [...readFileSync(path, 'utf8').matchAll(/(?:from|import|import\()\s*'([^']+)'/g)];
      for (const [, name = ''] of imported) {
        if (name.startsWith('node:')) continue;
        if (name.startsWith('.'))
          expect(relative(root, resolve(path, '..', name)), file).toMatch(
            /^(?:(?:src|gen|packages\/[\w-]+\/src)\/|package\.json$)/,
          );
        else
          expect(Object.keys(manifest.dependencies), file).toContain(
            name.split('/', name.startsWith('@') ? 2 : 1).join('/'),
          );
      }
    }
  });

  it('the image runs as an ordinary user, with Node itself as the process that receives signals', () => {
    const names = last.map(({ name }) => name);
    expect(all('USER').map(({ args }) => args)).toEqual([['node']]);
    expect(names.indexOf('USER')).toBeLessThan(names.indexOf('CMD'));
    const command: unknown = JSON.parse(all('CMD')[0]?.args.join(' ') ?? '');
    const { scripts } = JSON.parse(read('package.json'));
    // `exec`: there it is npm's shell that Node has to take the place of.
    expect(`exec ${(command as string[]).join(' ')}`).toBe(scripts.start.split(' && ').at(-1));
  });

  it('the image exposes the ports that it listens on, and checks the health of the service itself', () => {
    const addresses = all('ENV').flatMap(({ args }) => args.map((one) => one.split('=')));
    const ports = addresses
      .filter(([name = '']) => name.endsWith('_ADDRESS'))
      .map(([, value = '']) => value.split(':')[1]);
    expect(ports).toEqual(all('EXPOSE').flatMap(({ args }) => args));
    const probe = all('HEALTHCHECK')[0]?.args.join(' ') ?? '';
    const url = /http:\/\/127\.0\.0\.1:(\d+)\/readyz/.exec(probe);
    expect(ports).toContain(url?.[1]);
  });
});

const serviceSchema = z.strictObject({
  build: z.string().optional(),
  image: z.string().optional(),
  command: z.array(z.string()).optional(),
  environment: z.record(z.string(), z.string()).optional(),
  ports: z.array(z.string().regex(/^127\.0\.0\.1:\d+:\d+$/)),
  restart: z.enum(['on-failure', 'unless-stopped']).optional(),
  volumes: z.array(z.string().regex(/^\w+:\/[\w/]+$/)).optional(),
  depends_on: z.record(z.string(), z.strictObject({ condition: z.literal('service_healthy') })).optional(),
  healthcheck: z
    .strictObject({ test: z.array(z.string()).min(2), interval: z.string(), timeout: z.string(), retries: z.number() })
    .optional(),
});
const composeSchema = z.strictObject({
  services: z.record(z.string(), serviceSchema),
  volumes: z.record(z.string(), z.null()),
});

describe('docker-compose.yml', () => {
  const compose = composeSchema.parse(parse(read('docker-compose.yml')));
  const { assent, ...others } = compose.services;

  it('docker-compose.yml has the service, PostgreSQL, Redis and NATS with JetStream, on this machine only', () => {
    expect(Object.keys(others).toSorted()).toEqual(['nats', 'postgres', 'redis']);
    expect(compose.services['nats']?.command).toContain('--jetstream');
    expect(assent?.build).toBe('.');
    for (const [name, { image }] of Object.entries(others)) expect(image, name).toMatch(/^\w+:\d+/);
  });

  it('docker-compose.yml checks the health of each service, and waits for it', () => {
    expect(Object.keys(assent?.depends_on ?? {}).toSorted()).toEqual(Object.keys(others).toSorted());
    for (const [name, { healthcheck }] of Object.entries(others)) expect(healthcheck, name).toBeDefined();
    // The service's own is in its image.
    expect(all('HEALTHCHECK')).toHaveLength(1);
  });

  it('docker-compose.yml sets variables that exist, to the addresses of its services', () => {
    const documented = read('docs/operate/configuration.md');
    const environment = assent?.environment ?? {};
    for (const name of Object.keys(environment)) expect(documented).toContain(`\`${name}\``);
    for (const [variable, service] of [
      ['DATABASE_URL', 'postgres'],
      ['REDIS_URL', 'redis'],
      ['NATS_URL', 'nats'],
    ] as const) {
      expect(environment[variable]).toMatch(new RegExp(`[@/]${service}:\\d+`));
    }
  });

  it('docker-compose.yml declares the volumes that it uses', () => {
    const used = Object.values(compose.services).flatMap(({ volumes = [] }) => volumes.map((one) => one.split(':')[0]));
    expect(used.toSorted()).toEqual(Object.keys(compose.volumes).toSorted());
  });
});
