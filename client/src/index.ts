/**
 * Presence for browsers: who is here right now, and what are they doing?
 *
 *     const client = new PresenceClient({ url: 'https://presence.example.org', getToken })
 *     client.onPresence('lobby', ({ userId, presence }) => draw(userId, presence.status))
 *     client.connect()
 *
 * Importing it does nothing, on a server neither.
 */
export { PresenceClient } from './client.js'
export type {
  Connection,
  Expiry,
  PresenceEvents,
  PresenceHandler,
  PresenceOptions,
  PresencePacket,
  TypingHandler,
  TypingPacket,
} from './client.js'
export type { RequestOptions, Token, TokenReason, TokenSource } from './api.js'
export type { ConnectionStatus } from './link.js'
export type { Verdict } from './backoff.js'
export { judge } from './backoff.js'
export { PresenceError } from './problem.js'
export { EventStreamParser } from './parser.js'
export type { ParserHandlers, StreamEvent } from './parser.js'
export { fetchStream } from './transport/stream.js'
export type { StreamRequest, Transport } from './transport/stream.js'
export { eventSourceStream } from './transport/eventsource.js'
export { IdleDetector } from './idle.js'
export type { IdleOptions } from './idle.js'
export { isHere } from './store.js'
export type { PresenceView, RoomView, Store, Topic, Typist } from './store.js'
export type { TabsEnvironment } from './tabs.js'
export { formatActivity, formatLastSeen, formatStatus, formatTyping, nameOf } from './format.js'
export type { ActivityWords, LastSeenWords, Named, StatusWords, TypingWords } from './format.js'
export type {
  Activity,
  ActivityType,
  Audience,
  BeatAnswer,
  ChosenStatus,
  Custom,
  CustomChoice,
  Doing,
  LastSeen,
  Presence,
  Privacy,
  Problem,
  Profile,
  Status,
} from './api.gen.js'
