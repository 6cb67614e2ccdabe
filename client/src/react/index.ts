/**
 * Presence for React 18 and 19: hooks, and small components without a stylesheet.
 *
 * What a component watches is counted and lingers for a moment, so that strict mode, concurrent rendering and changes of route
 * cost no stream. On a server all of it renders as not known yet.
 */
export {
  PresenceProvider,
  useActivity,
  useBulkPresence,
  useConnection,
  usePresence,
  usePresenceClient,
  useRoomPresence,
  useTypingIndicator,
} from './hooks.js'
export type { TypingIndicatorState } from './hooks.js'
export { LastSeen, PrivacySettings, StatusDot, TypingIndicator, UserList, UserPresence } from './components.js'
export type { DotStatus, Listed, PrivacyWords, SeenWords } from '../show.js'
