/**
 * `@assent/event-contract`: the contract of docs/operate/events.md as code, for every program that publishes or reads events. The
 * workspace uses its sources; a package that is published takes a copy into its build (scripts/build-package.ts).
 */
export { type NatsCredentials, type NatsTlsFiles, parseCredentials } from './credentials.ts';
export { canonicalId, idForms, isUsableId, MAX_ID_LENGTH } from './ids.ts';
export {
  connectionOptions,
  type NatsServers,
  type NatsTarget,
  NO_RESPONDERS,
  serverDomain,
  serversOf,
} from './nats.ts';
export { type Invalidation, type ParsedEvent, parseEvent } from './parse-event.ts';
export {
  openPublishConnection,
  type PublishConnection,
  type Published,
  type PublishOptions,
  type PublishTarget,
} from './publish-connection.ts';
export { checkStream, covers, openStream, type StreamOptions } from './stream.ts';
export { EVENTS, type EventMessage, type EventName, eventNames, type OutgoingEvent, toMessage } from './subjects.ts';
