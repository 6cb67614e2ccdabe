import { createContext, createElement, useCallback, useContext, useEffect, useMemo, useSyncExternalStore, type ReactElement, type ReactNode } from 'react'
import type { Connection, PresenceClient } from '../client.js'
import { formatActivity, formatTyping, nameOf, type ActivityWords, type TypingWords } from '../format.js'
import { hold } from '../hold.js'
import { LOADING, type PresenceView, type RoomView, type Topic, type Typist } from '../store.js'

const Context = createContext<PresenceClient | null>(null)

/** Makes a client known to all hooks and components in it, and connects it while it is mounted, unless you have. */
export function PresenceProvider({ client, children }: { client: PresenceClient; children?: ReactNode }): ReactElement {
  useEffect(() => hold(client), [client])
  return createElement(Context.Provider, { value: client }, children)
}

/** The client of the nearest PresenceProvider. */
export function usePresenceClient(): PresenceClient {
  const client = useContext(Context)
  if (!client) throw new Error('presently-client: there is no <PresenceProvider> around this component')
  return client
}

const NOTHING = () => () => {}

function useTopic<T>(topic: Topic, id: string | null | undefined, read: (client: PresenceClient, id: string) => T, nothing: T): T {
  const client = usePresenceClient()
  const subscribe = useCallback((listener: () => void) => (id ? client.watch(topic, id, listener) : NOTHING()), [client, topic, id])
  return useSyncExternalStore(
    subscribe,
    () => (id ? read(client, id) : nothing),
    () => nothing,
  )
}

/** What is known of a user; null where nothing is. He is watched while the component is mounted. */
export function usePresence(userId: string | null | undefined): PresenceView | null {
  return useTopic<PresenceView | null>('user', userId, (client, id) => client.getPresence(id) ?? null, null)
}

/** Who is in a room. It is watched while the component is mounted; with `join` the user is in it, too. */
export function useRoomPresence(room: string | null | undefined, { join = false }: { join?: boolean } = {}): RoomView {
  const client = usePresenceClient()
  useEffect(() => {
    if (!join || !room) return undefined
    // A refusal is a roomRefused event, and shows.
    client.joinRoom(room).catch(() => {})
    return () => void client.leaveRoom(room, 1500)
  }, [client, room, join])
  return useTopic('room', room, (client, id) => client.getRoom(id), LOADING)
}

const EMPTY: ReadonlyMap<string, PresenceView> = new Map()

/** What is known of many users, by their ids; the same map until that changes. The array may be a new one at each rendering. */
export function useBulkPresence(userIds: readonly string[]): ReadonlyMap<string, PresenceView> {
  const client = usePresenceClient()
  const key = JSON.stringify(userIds)
  const [subscribe, read] = useMemo(() => {
    const ids = [...new Set(JSON.parse(key) as string[])]
    let views: (PresenceView | undefined)[] = []
    let map = EMPTY
    return [
      (listener: () => void) => {
        const ends = ids.map((id) => client.watch('user', id, listener))
        return () => ends.forEach((end) => end())
      },
      () => {
        const now = ids.map((id) => client.getPresence(id))
        if (now.length !== views.length || now.some((view, i) => view !== views[i])) {
          views = now
          map = new Map(now.flatMap((view) => (view ? [[view.userId, view] as const] : [])))
        }
        return map
      },
    ]
  }, [client, key])
  return useSyncExternalStore(subscribe, read, () => EMPTY)
}

/** Who types, and how to say that the user does. */
export interface TypingIndicatorState {
  /** Their names. */
  typingUsers: string[]
  /** As the server tells. */
  typing: readonly Typist[]
  /** In a sentence; empty for nobody. */
  text: string
  /** For `onChange` or `onInput`. */
  handleTyping: () => void
  /** For sending, and for `onBlur`. */
  stopTyping: () => void
}

const NOBODY: readonly Typist[] = []

/** Who types in a room or thread, but the user himself. */
export function useTypingIndicator(room: string | null | undefined, { threadId, words }: { threadId?: string; words?: Partial<TypingWords> } = {}): TypingIndicatorState {
  const client = usePresenceClient()
  const all = useTopic('typing', room, (client, id) => client.getTyping(id), NOBODY)
  const handleTyping = useCallback(() => room && client.startTyping(room, threadId), [client, room, threadId])
  const stopTyping = useCallback(() => room && client.stopTyping(room, threadId), [client, room, threadId])
  useEffect(() => () => void stopTyping(), [stopTyping])
  const typing = useMemo(() => all.filter((typist) => typist.threadId === threadId), [all, threadId])
  return { typingUsers: typing.map(nameOf), typing, text: formatTyping(typing, words), handleTyping: handleTyping as () => void, stopTyping: stopTyping as () => void }
}

/** What a user does, in words: `Viewing /docs/7`; empty where that is not known. */
export function useActivity(userId: string | null | undefined, words?: Partial<ActivityWords>): string {
  return formatActivity(usePresence(userId)?.activity, words)
}

const IDLE: Connection = { status: 'idle', stale: true, degraded: false }

/** How the connection stands. */
export function useConnection(): Connection {
  const client = usePresenceClient()
  const subscribe = useCallback(
    (listener: () => void) => {
      client.addEventListener('status', listener)
      return () => client.removeEventListener('status', listener)
    },
    [client],
  )
  return useSyncExternalStore(
    subscribe,
    () => client.connection,
    () => IDLE,
  )
}
