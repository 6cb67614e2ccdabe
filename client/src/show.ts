/** What the components of React and Vue show alike. */
import type { Audience, Privacy } from './api.gen.js'
import { formatActivity, formatLastSeen, formatStatus, type LastSeenWords, type StatusWords } from './format.js'
import type { PresenceView } from './store.js'

/** The status that a dot shows. */
export type DotStatus = PresenceView['status'] | 'unknown'

/** The colours of the dots, which a stylesheet may overrule: a presentation attribute yields to any rule, and to no Content-Security-Policy. */
export const COLOURS: Record<DotStatus, string> = {
  online: '#1a7f37',
  away: '#bf8700',
  busy: '#cf222e',
  dnd: '#cf222e',
  offline: '#6e7781',
  invisible: '#6e7781',
  unknown: '#6e7781',
}

/** A shape as well as a colour, for those who do not see colours: paths in a square of 10. */
export const SHAPES: Record<DotStatus, string> = {
  online: 'M5 0a5 5 0 1 0 0 10A5 5 0 1 0 5 0Z',
  away: 'M5 0a5 5 0 1 0 5 5H5Z',
  busy: 'M5 0a5 5 0 1 0 0 10A5 5 0 1 0 5 0ZM5 3a2 2 0 1 1 0 4 2 2 0 1 1 0-4Z',
  dnd: 'M5 0a5 5 0 1 0 0 10A5 5 0 1 0 5 0ZM2 4.1h6v1.8H2Z',
  offline: 'M5 0a5 5 0 1 0 0 10A5 5 0 1 0 5 0ZM5 1.8a3.2 3.2 0 1 1 0 6.4 3.2 3.2 0 1 1 0-6.4Z',
  invisible: 'M5 0a5 5 0 1 0 0 10A5 5 0 1 0 5 0ZM5 1.8a3.2 3.2 0 1 1 0 6.4 3.2 3.2 0 1 1 0-6.4Z',
  unknown: 'M3.5 0h3v1.8h-3ZM3.5 8.2h3V10h-3ZM0 3.5h1.8v3H0ZM8.2 3.5H10v3H8.2Z',
}

/** What a dot says to those who cannot see it. */
export function dotLabel(status: DotStatus, stale: boolean, words?: Partial<StatusWords>, staleWord = 'last known'): string {
  const label = formatStatus(status === 'unknown' ? null : status, words)
  return stale && status !== 'unknown' ? `${label} (${staleWord})` : label
}

/** When somebody was last here or last active, for a `<time>`; nothing where that is not shown, or he is here. */
export const lastTime = (view: PresenceView | null | undefined): string | undefined => (view?.status === 'away' ? view.lastActiveAt : view?.status === 'offline' ? view.lastSeenAt : undefined)

/** The words of LastSeen. */
export interface SeenWords extends LastSeenWords {
  /** Puts them into a sentence. */
  lastSeen(when: string): string
  lastActive(when: string): string
}

/** What LastSeen says of somebody. */
export function seenText(view: PresenceView | null | undefined, words: Partial<SeenWords> & Partial<StatusWords> = {}): string {
  if (!view) return ''
  const at = lastTime(view)
  if (!at) return formatStatus(view.status, words)
  const when = formatLastSeen(at, words)
  const { lastSeen = (when: string) => 'Last seen ' + lower(when), lastActive = (when: string) => 'Away, last active ' + lower(when) } = words
  return view.status === 'away' ? lastActive(when) : lastSeen(when)
}

const lower = (text: string) => text.charAt(0).toLowerCase() + text.slice(1)

/** What somebody says of himself or does: his custom status, or else his activity. */
export function aboutText(view: PresenceView | null | undefined): string {
  const { custom, activity } = view ?? {}
  return custom ? [custom.emoji, custom.text].filter(Boolean).join(' ') : formatActivity(activity)
}

/** The words of PrivacySettings. */
export interface PrivacyWords {
  legend: string
  online: string
  lastSeen: string
  activity: string
  typing: string
  everyone: string
  contacts: string
  nobody: string
  failed: string
  unavailable: string
}

export const PRIVACY_WORDS: PrivacyWords = {
  legend: 'Who can see',
  online: 'That I am here',
  lastSeen: 'When I was last here',
  activity: 'What I do',
  typing: 'That I type',
  everyone: 'Everyone',
  contacts: 'My contacts',
  nobody: 'Nobody',
  failed: 'That could not be saved. Try again.',
  unavailable: 'These settings cannot be read just now.',
}

export const SETTINGS: readonly (keyof Privacy)[] = ['online', 'lastSeen', 'activity', 'typing']
export const AUDIENCES: readonly Audience[] = ['everyone', 'contacts', 'nobody']

/** Somebody in a list. */
export type Listed = string | { id: string; name?: string; avatar?: string }
export const listed = (user: Listed): { id: string; name?: string; avatar?: string } => (typeof user === 'string' ? { id: user } : user)
