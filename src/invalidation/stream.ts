/** How far the answer of a stream's leader can be trusted. Pure. */
import type { StreamInfo } from 'nats';

/**
 * How long before its answer a leader may have been replaced without knowing. Cut off from the others it goes on answering
 * for half a minute and more, while they have made another one that acknowledges events. None was made before a majority of
 * them, itself included, last answered it.
 */
export const leaderDoubtMs = ({ cluster }: Pick<StreamInfo, 'cluster'>): number => {
  const others = cluster?.replicas ?? [];
  const silences = others
    // No time at all is that of one that never answered, unless it did just now.
    .map(({ active, current, offline }) =>
      offline === true || (active === 0 && !current) ? Number.POSITIVE_INFINITY : active,
    )
    .sort((one, other) => one - other);
  const needed = Math.floor((others.length + 1) / 2);
  return (needed === 0 ? 0 : (silences[needed - 1] ?? Number.POSITIVE_INFINITY)) / 1_000_000;
};
