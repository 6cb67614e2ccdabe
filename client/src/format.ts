/** Words for people. Every one of them can be another: pass your own for other languages. */
import type { Activity, Presence, Profile } from './api.gen.js'

/** The words of `formatLastSeen`. */
export interface LastSeenWords {
  /** Nothing is known, or it is not for us to know. */
  never: string
  now: string
  ago(amount: string): string
  /** Beyond a week. */
  date(date: Date): string
}

const minute = 60_000
const hour = 60 * minute
const day = 24 * hour

const LAST_SEEN: LastSeenWords = {
  never: 'Never',
  now: 'Just now',
  ago: (amount) => amount + ' ago',
  date: (date) => date.toLocaleDateString(),
}

/** How long ago: `Just now`, `5m ago`, `3h ago`, `2d ago`, and a date beyond a week. Times that lie ahead are now: clocks differ. */
export function formatLastSeen(at: Date | string | number | null | undefined, words: Partial<LastSeenWords> = {}, now: number = Date.now()): string {
  const w = { ...LAST_SEEN, ...words }
  const date = new Date(at ?? NaN)
  const past = now - date.getTime()
  if (isNaN(past)) return w.never
  if (past < minute) return w.now
  if (past < hour) return w.ago(Math.floor(past / minute) + 'm')
  if (past < day) return w.ago(Math.floor(past / hour) + 'h')
  if (past < 7 * day) return w.ago(Math.floor(past / day) + 'd')
  return w.date(date)
}

/** The words of `formatTyping`. */
export interface TypingWords {
  one(name: string): string
  two(first: string, second: string): string
  many(count: number, names: string[]): string
}

const TYPING: TypingWords = {
  one: (name) => name + ' is typing…',
  two: (first, second) => `${first} and ${second} are typing…`,
  many: (count) => count + ' people are typing…',
}

/** Who is meant: a name, or somebody with a profile, or an id. */
export type Named = string | { userId: string; profile?: Profile | undefined }

/** What to call somebody. */
export const nameOf = (who: Named): string => (typeof who === 'string' ? who : who.profile?.name || who.userId)

/** `Ada is typing…`, `Ada and Ben are typing…`, `3 people are typing…`, and nothing for nobody. One who types in two threads counts once. */
export function formatTyping(typing: readonly Named[], words: Partial<TypingWords> = {}): string {
  const w = { ...TYPING, ...words }
  const people = new Map(typing.map((who) => [typeof who === 'string' ? who : who.userId, nameOf(who)]))
  const names = [...people.values()]
  if (!names.length) return ''
  if (names.length === 1) return w.one(names[0]!)
  if (names.length === 2) return w.two(names[0]!, names[1]!)
  return w.many(names.length, names)
}

/** The words of `formatActivity`, by what is done; each is given the label or target. */
export type ActivityWords = Record<Activity['type'], (what: string) => string>

const ACTIVITY: ActivityWords = {
  viewing: (what) => 'Viewing ' + what,
  typing: () => 'Typing…',
  busy: (what) => what || 'Busy',
  in_call: (what) => what || 'In a call',
  in_meeting: (what) => what || 'In a meeting',
  presenting: (what) => what || 'Presenting',
  custom: (what) => what,
}

/** What somebody does: `Viewing /docs/7`, `In a call`; nothing where that is not known. */
export function formatActivity(activity: Pick<Activity, 'type' | 'label' | 'target'> | null | undefined, words: Partial<ActivityWords> = {}): string {
  if (!activity) return ''
  const word = ({ ...ACTIVITY, ...words } as Partial<ActivityWords>)[activity.type]
  const what = activity.label ?? activity.target ?? ''
  return word ? word(what).trim() : what
}

/** The words of `formatStatus`. */
export type StatusWords = Record<Presence['status'] | 'unknown', string>

const STATUS: StatusWords = {
  online: 'Online',
  away: 'Away',
  busy: 'Busy',
  dnd: 'Do not disturb',
  offline: 'Offline',
  invisible: 'Invisible',
  unknown: 'Unknown',
}

/** A status in words, for those who do not see its colour. */
export function formatStatus(status: Presence['status'] | null | undefined, words: Partial<StatusWords> = {}): string {
  return { ...STATUS, ...words }[status ?? 'unknown']
}
