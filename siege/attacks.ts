/** All attacks, in the order of the table. */
import { churn } from './attacks/churn.ts';
import { closedWindow } from './attacks/closed-window.ts';
import { endlessCalls, endlessHealth, wideHealth } from './attacks/endless-health.ts';
import { frameFloods } from './attacks/frame-floods.ts';
import { hpackBomb, largeHeaders } from './attacks/header-bombs.ts';
import { idleConnections, idleEverywhere } from './attacks/idle-connections.ts';
import { gzipCaller, gzipStranger, nestedJson } from './attacks/large-requests.ts';
import { metricsPipelined, metricsUnread } from './attacks/metrics.ts';
import { refusedCalls } from './attacks/refused-calls.ts';
import { madeYouReset, rapidReset } from './attacks/resets.ts';
import { smuggling } from './attacks/smuggling.ts';
import { halfHandshakes, handshakes } from './attacks/tls.ts';
import { halfHeaders, slowHeaders, unfinishedBodies, unfinishedStreams } from './attacks/unfinished.ts';
import { unreadAnswers } from './attacks/unread-answers.ts';
import { watches } from './attacks/watches.ts';
import type { Attack } from './scenario.ts';

export const ATTACKS: readonly Attack[] = [
  ...refusedCalls,
  churn,
  rapidReset,
  madeYouReset,
  ...frameFloods,
  endlessHealth,
  wideHealth,
  closedWindow,
  idleConnections,
  idleEverywhere,
  slowHeaders,
  halfHeaders,
  unfinishedStreams,
  unfinishedBodies,
  metricsPipelined,
  metricsUnread,
  hpackBomb,
  largeHeaders,
  watches,
  halfHandshakes,
  handshakes,
  smuggling,
  gzipStranger,
  gzipCaller,
  nestedJson,
  unreadAnswers,
  endlessCalls,
];

/** @throws Error when there is no attack of this name. */
export function attackOf(name: string): Attack {
  const attack = ATTACKS.find((one) => one.name === name);
  if (attack === undefined) throw new Error(`there is no attack ${name}`);
  return attack;
}
