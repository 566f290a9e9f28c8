/** The consumer of one session. */
import { randomUUID } from 'node:crypto';
import { AckPolicy, type ConsumerInfo, DeliverPolicy, type JetStreamManager, nanos, ReplayPolicy } from 'nats';

/** Where to deliver from: the message of a number, or the first one taken at a moment (RFC 3339) or later. */
export type DeliverFrom = { readonly seq: number } | { readonly moment: string };

/** Adds an ephemeral consumer, which the server removes once nobody listens. */
export const addConsumer = (
  manager: JetStreamManager,
  stream: string,
  deliverTo: string,
  from: DeliverFrom,
): Promise<ConsumerInfo> =>
  manager.consumers.add(stream, {
    ...('seq' in from
      ? { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: from.seq }
      : { deliver_policy: DeliverPolicy.StartTime, opt_start_time: from.moment }),
    // No filter: sequences then have no holes but those of messages that are gone, and each hole tells.
    name: `assent-${randomUUID()}`,
    deliver_subject: deliverTo,
    ack_policy: AckPolicy.None,
    replay_policy: ReplayPolicy.Instant,
    flow_control: true,
    idle_heartbeat: nanos(1_000),
    inactive_threshold: nanos(10_000),
    mem_storage: true,
    num_replicas: 1,
  });
