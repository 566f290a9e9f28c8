import { expect, it } from 'vitest';
import { readListening } from '../../../src/config/listening.ts';
import { Reader } from '../../../src/config/reader.ts';

const read = (environment: Readonly<Record<string, string>>) => {
  const reader = new Reader(environment);
  return { config: readListening(reader), problems: reader.problems };
};

it('an idle connection is kept longer than balancers keep it, and calls are taken for one second of a stop', () => {
  expect(read({}).config).toMatchObject({ keepAliveMs: 75_000, lameDuckMs: 1_000 });
  expect(read({ ASSENT_KEEPALIVE_SECONDS: '350', ASSENT_LAME_DUCK_SECONDS: '0' }).config).toMatchObject({
    keepAliveMs: 350_000,
    lameDuckMs: 0,
  });
});

it('a time of a stop or of an idle connection that is out of its range is refused by the name of its setting', () => {
  expect(read({ ASSENT_KEEPALIVE_SECONDS: '0', ASSENT_LAME_DUCK_SECONDS: '301' }).problems).toEqual([
    'ASSENT_KEEPALIVE_SECONDS must be a whole number from 1 to 3600.',
    'ASSENT_LAME_DUCK_SECONDS must be a whole number from 0 to 300.',
  ]);
});

it('the metrics have a separate address where one is set, which may be reached from other machines', () => {
  expect(read({}).config.metricsAddress).toBeNull();
  expect(read({ ASSENT_METRICS_ADDRESS: '0.0.0.0:9464' })).toMatchObject({
    config: { metricsAddress: { kind: 'tcp', host: '0.0.0.0', port: 9464 } },
    problems: [],
  });
  expect(read({ ASSENT_METRICS_ADDRESS: 'off' }).problems).toEqual([
    'ASSENT_METRICS_ADDRESS must be HOST:PORT, [IPV6]:PORT or unix:PATH.',
  ]);
});

it('unix sockets have the mode 0660 unless another octal mode is set', () => {
  expect(read({}).config.socketMode).toBe(0o660);
  expect(read({ ASSENT_SOCKET_MODE: '0600' }).config.socketMode).toBe(0o600);
  expect(read({ ASSENT_SOCKET_MODE: '666' }).config.socketMode).toBe(0o666);
  for (const mode of ['0o660', '438', '0060', '1777', 'rw']) {
    expect(read({ ASSENT_SOCKET_MODE: mode }).problems).toEqual([
      'ASSENT_SOCKET_MODE must be an octal mode from 0600 to 0777, such as 0660.',
    ]);
  }
});
