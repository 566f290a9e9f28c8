import { describe, expect, it } from 'vitest';
import { parseRedisUrl } from '../../../src/config/redis-url.ts';

const NONE = { username: null, password: null };

describe('parseRedisUrl', () => {
  it.each([
    'redis://127.0.0.1:6379',
    'redis://:p%40ss@redis/3?family=6',
    'rediss://me:secret@redis:6380',
    'redis:///run/redis.sock',
  ])('the URL %s of one server is kept as it is', (url) => {
    expect(parseRedisUrl(url)).toEqual({ value: url, problems: [] });
  });

  it.each([
    [
      'redis-sentinel://a:1,b/mymaster',
      {
        ...{ kind: 'sentinel', name: 'mymaster', database: 0, tls: false },
        hosts: [
          { host: 'a', port: 1 },
          { host: 'b', port: 26_379 },
        ],
        ...{ credentials: NONE, sentinelCredentials: NONE },
      },
    ],
    [
      'rediss-sentinel://me:p%40:%2Fss@[::1]:26380/my%20master/15?sentinel_username=s&sentinel_password=p%26%2B',
      {
        ...{ kind: 'sentinel', name: 'my master', database: 15, tls: true },
        hosts: [{ host: '::1', port: 26_380 }],
        credentials: { username: 'me', password: 'p@:/ss' },
        sentinelCredentials: { username: 's', password: 'p&+' },
      },
    ],
    [
      'redis-sentinel://:only@a/m?sentinel_password=q',
      {
        ...{ kind: 'sentinel', name: 'm', database: 0, tls: false, hosts: [{ host: 'a', port: 26_379 }] },
        credentials: { username: null, password: 'only' },
        sentinelCredentials: { username: null, password: 'q' },
      },
    ],
    [
      'redis-cluster://a,b:7001',
      {
        ...{ kind: 'cluster', tls: false, credentials: NONE },
        hosts: [
          { host: 'a', port: 6_379 },
          { host: 'b', port: 7_001 },
        ],
      },
    ],
    [
      'rediss-cluster://me:se@cret@a:1/',
      {
        ...{ kind: 'cluster', tls: true, hosts: [{ host: 'a', port: 1 }] },
        credentials: { username: 'me', password: 'se@cret' },
      },
    ],
  ])('the parts of %s are read', (url, value) => {
    expect(parseRedisUrl(url)).toEqual({ value, problems: [] });
  });

  it.each([
    ['http://redis', 'must be a URL of the form'],
    ['redis-sentinels://a/m', 'must be a URL of the form'],
    ['redis-sentinel://a', 'must end with the name'],
    ['redis-sentinel://a/', 'must end with the name'],
    ['redis-sentinel://a/m/x', 'must have a number of a database'],
    ['redis-sentinel://a/m/1/2', 'must have a number of a database'],
    ['redis-sentinel://a,,b/m', 'number 2'],
    ['redis-sentinel:///m', 'number 1'],
    ['redis-sentinel://a:0/m', 'number 1'],
    ['redis-sentinel://a:65536/m', 'number 1'],
    ['redis-sentinel://secret@a/m', 'has a user without a password'],
    ['redis-sentinel://:100%@a/m', 'has a "%"'],
    ['redis-sentinel://a/m?secret=1', 'has a parameter that is not known'],
    ['redis-sentinel://a/m?sentinel_password=1&sentinel_password=2', 'has sentinel_password more than once'],
    ['redis-sentinel://a/m?sentinel_username=secret', 'has sentinel_username without'],
    ['redis-cluster://a/1', 'a cluster has the database 0 only'],
    ['redis-cluster://a?secret=1', 'must have no parameters'],
  ])('the URL %s is refused, and the problem repeats no part of it', (url, problem) => {
    const { value, problems } = parseRedisUrl(url);
    expect(value).toBeNull();
    expect(problems.join('\n')).toContain(problem);
    expect(problems.join('\n')).not.toMatch(/secret(?!=)|100%/);
  });
});
