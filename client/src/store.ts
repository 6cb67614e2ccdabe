/**
 * What is known of people and rooms, as an external store: `subscribe` to a key, read a snapshot of it.
 *
 * Snapshots are immutable and the same object until what they show changes, as React's `useSyncExternalStore` needs.
 * Listeners are called once a microtask, however many changes came. A `rev` orders what is known of a user or room: what is
 * not newer is dropped. Ids are keys of Maps and never of objects, so that a user may be called `__proto__`.
 */
import type { Presence, RoomEvent, RoomState, SnapshotEvent, TypingEvent, TypistInRoom } from './api.gen.js'

/** What is known of a user. */
export interface PresenceView extends Presence {
  /** The connection is down: this is how it was, and not a claim about now. Show it dimmed, and never as offline. */
  readonly stale: boolean
}

/** What is known of a room. */
export interface RoomView {
  /** Those who are in it and visible; empty in rooms of more than 500, of which only `userCount` is known. */
  readonly members: readonly PresenceView[]
  /** Their ids. */
  readonly onlineUsers: readonly string[]
  /** How many are in it. */
  readonly userCount: number
  /** Nothing is known yet. */
  readonly isLoading: boolean
  /** The token does not grant it, and nothing will be known before another does. */
  readonly isRefused: boolean
  /** As of a user. */
  readonly stale: boolean
}

/** Somebody who types, and until when unless it is said again. */
export type Typist = TypistInRoom

interface Known {
  presence: Presence
  rev: number
  view?: PresenceView | undefined
}

interface Room {
  members: Set<string>
  count: number
  rev: number
  view?: RoomView | undefined
}

interface Marks {
  /** Everybody's. */
  list: readonly Typist[]
  /** Without one's own. */
  view: readonly Typist[]
  timer: ReturnType<typeof setTimeout>
}

interface Ids {
  has(id: string): boolean
}

/** What is known, and whoever waits for it to change. */
export type Store = ReturnType<typeof createStore>

/** What a key is about. */
export type Topic = 'user' | 'room' | 'typing'

const NOBODY: readonly never[] = []
/** A room of which nothing is known yet. */
export const LOADING: RoomView = { members: NOBODY, onlineUsers: NOBODY, userCount: 0, isLoading: true, isRefused: false, stale: false }
const REFUSED: RoomView = { ...LOADING, isLoading: false, isRefused: true }
const LONGEST = 30_000 // ms that a mark of typing may hold

// Whether two presences say the same, whenever they said it.
const same = (a: Presence, b: Presence) => JSON.stringify({ ...a, rev: 0 }) === JSON.stringify({ ...b, rev: 0 })

/** Whether somebody is here, be he away or busy. */
export const isHere = (presence: Pick<Presence, 'status'> | undefined | null): boolean => !!presence && presence.status !== 'offline' && presence.status !== 'invisible'

export function createStore() {
  const users = new Map<string, Known>()
  const rooms = new Map<string, Room>()
  const typing = new Map<string, Marks>()
  const listeners = new Map<string, Set<() => void>>()
  const dirty = new Set<string>()
  let seen: Record<'users' | 'rooms' | 'typing', Set<string>> | undefined
  let stale = true
  let offset = 0

  const mark = (topic: Topic, id: string) => {
    if (!dirty.size) {
      queueMicrotask(() => {
        const keys = [...dirty]
        dirty.clear()
        for (const key of keys) listeners.get(key)?.forEach((listener) => listener())
      })
    }
    dirty.add(topic + id)
  }
  const touch = (id: string) => {
    mark('user', id)
    users.get(id)!.view = undefined
    for (const room of store.roomsOf(id)) touchRoom(room)
  }
  const touchRoom = (id: string) => {
    mark('room', id)
    rooms.get(id)!.view = undefined
  }
  const forget = (user: string) => {
    if (user === store.self || store.roomsOf(user).length) return
    users.delete(user)
    mark('user', user)
  }
  const said = (ids: Iterable<string>) =>
    [...ids].flatMap((id) => {
      const known = users.get(id)
      return known ? { ...known.presence, rev: known.rev } : []
    })
  const setTyping = (room: string, list: readonly Typist[]) => {
    const before = typing.get(room)
    if (!before && !list.length) return
    clearTimeout(before?.timer)
    typing.delete(room)
    mark('typing', room)
    const left = (typist: Typist) => Date.parse(typist.expiresAt) - offset - Date.now()
    const kept = list.filter((typist) => left(typist) > 0)
    if (!kept.length) return
    const others = kept.filter((typist) => typist.userId !== store.self)
    // A lost stop must not leave anybody typing.
    const timer = setTimeout(setTyping, Math.min(LONGEST, ...kept.map(left)), room, kept)
    typing.set(room, { list: kept, view: others.length ? others : NOBODY, timer })
  }
  const presence = (presence: Presence) => {
    const { userId: id, rev } = presence
    const known = users.get(id)
    if (known) {
      if (rev <= known.rev) return
      known.rev = rev
      // A full snapshot says again what is known. Nobody is to be woken for that.
      if (same(known.presence, presence)) return
      known.presence = presence
    } else users.set(id, { presence, rev })
    touch(id)
  }

  const store = {
    /** Whose view this is; his own marks of typing are not shown to him. */
    self: '',

    /** Whether somebody is watched for himself. Others are forgotten when they leave the last known room. */
    wanted: (_user: string): boolean => true,

    /** The rooms that the token does not grant. */
    refused: new Set<string>() as ReadonlySet<string>,

    /** Calls `listener` after each change of a user, a room or who types in one, and returns what ends that. */
    subscribe(topic: Topic, id: string, listener: () => void): () => void {
      const key = topic + id
      const all = listeners.get(key) ?? new Set()
      listeners.set(key, all.add(listener))
      return () => {
        all.delete(listener)
        if (!all.size && listeners.get(key) === all) listeners.delete(key)
      }
    },

    /** What the server said of a user: the same object until it says something else. */
    said: (id: string): Presence | undefined => users.get(id)?.presence,

    user(id: string): PresenceView | undefined {
      const known = users.get(id)
      return known && (known.view ??= { ...known.presence, stale })
    },

    room(id: string): RoomView {
      const room = rooms.get(id)
      if (!room) return store.refused.has(id) ? REFUSED : LOADING
      if (!room.view) {
        const members = [...room.members].flatMap((user) => store.user(user) ?? [])
        room.view = { members, onlineUsers: members.map((member) => member.userId), userCount: room.count, isLoading: false, isRefused: false, stale }
      }
      return room.view
    },

    /** Who types in a room, but the user himself. */
    typing: (room: string): readonly Typist[] => typing.get(room)?.view ?? NOBODY,

    /** The known rooms that a user is in. */
    roomsOf: (user: string): string[] => [...rooms].flatMap(([id, room]) => (room.members.has(user) ? id : [])),

    /** While stale, all that is known is how it was. */
    setStale(now: boolean): void {
      if (stale === now) return
      stale = now
      users.forEach((_, id) => touch(id))
      rooms.forEach((_, id) => touchRoom(id))
    },

    /** These rooms are refused, and no others. Returns those that were not before. */
    setRefused(ids: Iterable<string>): string[] {
      const before = store.refused
      store.refused = new Set(ids)
      const fresh = [...store.refused].filter((id) => !before.has(id))
      for (const id of fresh) {
        rooms.delete(id)
        setTyping(id, [])
      }
      for (const id of [...before, ...fresh]) if (before.has(id) !== store.refused.has(id)) mark('room', id)
      return fresh
    },

    /** The server's clock, for what ends at a time of it. */
    setTime(time: string): void {
      offset = Date.parse(time) - Date.now() || 0
    },

    presences(presences: readonly Presence[]): void {
      presences.forEach(presence)
    },

    /** Who is in a room: all of them, or who came and went, or only how many. */
    roomChanged(id: string, { rev, count, members, joined, left }: Omit<RoomEvent, 'room'>): void {
      const room = rooms.get(id) ?? { members: new Set<string>(), count, rev: -1 }
      if (rev <= room.rev) return
      rooms.set(id, Object.assign(room, { rev, count }))
      const gone = new Set(joined || left ? left : room.members)
      for (const member of members ?? joined ?? []) {
        gone.delete(member.userId)
        room.members.add(member.userId)
        presence(member)
      }
      for (const user of gone) {
        room.members.delete(user)
        if (!store.wanted(user)) forget(user)
      }
      touchRoom(id)
    },

    /** Who types: in one thread of a room, or outside of threads. */
    typingChanged({ room, threadId, typing: now }: TypingEvent): void {
      const others = typing.get(room)?.list.filter((typist) => typist.threadId !== threadId) ?? []
      setTyping(room, [...others, ...now.map((typist) => ({ ...typist, threadId }))])
    },

    /** A part of a snapshot; the last one of scope `all` takes away what none of them named. */
    snapshot({ part, parts, scope, presences, rooms: states, typing: lists }: SnapshotEvent): void {
      if (scope !== 'all') seen = undefined
      else if (part === 1) seen = { users: new Set(), rooms: new Set(), typing: new Set() }
      for (const said of presences) {
        seen?.users.add(said.userId)
        presence(said)
      }
      for (const [id, state] of Object.entries(states)) {
        seen?.rooms.add(id)
        store.roomChanged(id, state as RoomState)
      }
      for (const [id, list] of Object.entries(lists)) {
        seen?.typing.add(id)
        setTyping(id, list as Typist[])
      }
      if (!seen || part < parts) return
      store.keep(seen.users, seen.rooms, seen.typing)
      seen = undefined
    },

    /** Forgets every room but these, and every user but these and those who are in these rooms. */
    keep(some: Ids, those: Ids, types = those): void {
      rooms.forEach((_, id) => {
        if (those.has(id)) return
        rooms.delete(id)
        mark('room', id)
      })
      typing.forEach((_, id) => types.has(id) || setTyping(id, []))
      users.forEach((_, id) => some.has(id) || forget(id))
    },

    /** All that is known of these, as a snapshot that another tab can take in. */
    dump(some: string[], those: string[]): SnapshotEvent {
      const known = those.filter((id) => rooms.has(id))
      // fromEntries defines, where an assignment to `__proto__` would set a prototype.
      return {
        part: 1,
        parts: 1,
        scope: 'all',
        presences: said(some),
        rooms: Object.fromEntries(known.map((id) => [id, { ...rooms.get(id)!, view: undefined, members: said(rooms.get(id)!.members) }])),
        typing: Object.fromEntries(known.map((id) => [id, [...(typing.get(id)?.list ?? [])]])),
      }
    },
  }
  return store
}
