/**
 * Presence for Vue 3.4 and later: a plugin, composables, and small components without a stylesheet.
 *
 * What a component watches is counted, ends with its scope and lingers for a moment, so that changes of route cost no stream.
 * On a server all of it renders as not known yet.
 */
export { presently, useActivity, useBulkPresence, useConnection, usePresence, usePresenceClient, useRoomPresence, useTypingIndicator } from './composables.js'
export { LastSeen, PrivacySettings, StatusDot, TypingIndicator, UserList, UserPresence } from './components.js'
export type { DotStatus, Listed, PrivacyWords, SeenWords } from '../show.js'
