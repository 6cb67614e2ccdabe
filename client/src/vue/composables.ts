import { computed, inject, onScopeDispose, shallowRef, toValue, watch, type App, type InjectionKey, type MaybeRefOrGetter, type Ref, type ShallowRef } from 'vue'
import type { Connection, PresenceClient } from '../client.js'
import { formatActivity, formatTyping, nameOf, type ActivityWords, type TypingWords } from '../format.js'
import { hold } from '../hold.js'
import { LOADING, type PresenceView, type Topic, type Typist } from '../store.js'

const KEY: InjectionKey<PresenceClient> = Symbol('presently')

/** A plugin: `app.use(presently(client))` makes a client known to all composables and components, and connects it while the app is mounted, unless you have. */
export function presently(client: PresenceClient): { install(app: App): void } {
  return {
    install(app) {
      app.provide(KEY, client)
      // There is nobody to be present on a server.
      if (typeof document !== 'object') return
      const release = hold(client)
      const unmount = app.unmount
      app.unmount = () => {
        release()
        unmount.call(app)
      }
    },
  }
}

/** The client that the app was given. */
export function usePresenceClient(): PresenceClient {
  const client = inject(KEY, null)
  if (!client) throw new Error('presently-client: call app.use(presently(client)) first')
  return client
}

type Id = MaybeRefOrGetter<string | null | undefined>

// Follows a topic that may change, until the scope ends. On a server nothing is watched.
function useTopic<T>(topic: Topic, id: Id, read: (client: PresenceClient, id: string) => T, nothing: T): Readonly<ShallowRef<T>> {
  const client = usePresenceClient()
  const value = shallowRef(nothing) as ShallowRef<T>
  let end = () => {}
  watch(
    () => toValue(id),
    (id) => {
      end()
      end = () => {}
      value.value = id ? read(client, id) : nothing
      if (id && typeof document === 'object') end = client.watch(topic, id, () => (value.value = read(client, id)))
    },
    { immediate: true },
  )
  onScopeDispose(() => end())
  return value
}

/** What is known of a user; null where nothing is. He is watched as long as the component lives. */
export function usePresence(userId: Id): Readonly<ShallowRef<PresenceView | null>> {
  return useTopic<PresenceView | null>('user', userId, (client, id) => client.getPresence(id) ?? null, null)
}

/** Who is in a room. It is watched as long as the component lives; with `join` the user is in it, too. */
export function useRoomPresence(room: Id, { join = false }: { join?: boolean } = {}): {
  members: Ref<readonly PresenceView[]>
  onlineUsers: Ref<readonly string[]>
  userCount: Ref<number>
  isLoading: Ref<boolean>
  isRefused: Ref<boolean>
  stale: Ref<boolean>
} {
  const client = usePresenceClient()
  const view = useTopic('room', room, (client, id) => client.getRoom(id), LOADING)
  if (join && typeof document === 'object') {
    const leave = (room: string | null | undefined) => room && void client.leaveRoom(room, 1500)
    watch(
      () => toValue(room),
      (now, before) => {
        leave(before)
        // A refusal is a roomRefused event, and shows.
        if (now) client.joinRoom(now).catch(() => {})
      },
      { immediate: true },
    )
    onScopeDispose(() => leave(toValue(room)))
  }
  return {
    members: computed(() => view.value.members),
    onlineUsers: computed(() => view.value.onlineUsers),
    userCount: computed(() => view.value.userCount),
    isLoading: computed(() => view.value.isLoading),
    isRefused: computed(() => view.value.isRefused),
    stale: computed(() => view.value.stale),
  }
}

/** What is known of many users, by their ids. */
export function useBulkPresence(userIds: MaybeRefOrGetter<readonly string[]>): Readonly<ShallowRef<ReadonlyMap<string, PresenceView>>> {
  const client = usePresenceClient()
  const value = shallowRef<ReadonlyMap<string, PresenceView>>(new Map())
  let ends: (() => void)[] = []
  const end = () => ends.splice(0).forEach((end) => end())
  watch(
    () => JSON.stringify(toValue(userIds)),
    (key) => {
      const ids = [...new Set(JSON.parse(key) as string[])]
      let scheduled = false
      const read = () => {
        scheduled = false
        value.value = new Map(
          ids.flatMap((id) => {
            const view = client.getPresence(id)
            return view ? [[id, view] as const] : []
          }),
        )
      }
      // Once for all that changes in a moment.
      const soon = () => {
        if (!scheduled) queueMicrotask(read)
        scheduled = true
      }
      const before = ends
      ends = typeof document === 'object' ? ids.map((id) => client.watch('user', id, soon)) : []
      before.forEach((end) => end())
      read()
    },
    { immediate: true },
  )
  onScopeDispose(end)
  return value
}

/** Who types in a room or thread, but the user himself, and how to say that he does. */
export function useTypingIndicator(
  room: Id,
  { threadId, words }: { threadId?: MaybeRefOrGetter<string | undefined>; words?: Partial<TypingWords> } = {},
): {
  /** Their names. */
  typingUsers: Ref<string[]>
  /** As the server tells. */
  typing: Ref<readonly Typist[]>
  /** In a sentence; empty for nobody. */
  text: Ref<string>
  /** For `@input`. */
  handleTyping: () => void
  /** For sending, and for `@blur`. */
  stopTyping: () => void
} {
  const client = usePresenceClient()
  const all = useTopic<readonly Typist[]>('typing', room, (client, id) => client.getTyping(id), [])
  const typing = computed(() => all.value.filter((typist) => typist.threadId === toValue(threadId)))
  let last: [string, string | undefined] | undefined
  const handleTyping = () => {
    const id = toValue(room)
    if (id) client.startTyping(...(last = [id, toValue(threadId)]))
  }
  // Where the user has typed, though he may be elsewhere by now.
  const stopTyping = () => last && client.stopTyping(...last)
  onScopeDispose(stopTyping)
  return { typingUsers: computed(() => typing.value.map(nameOf)), typing, text: computed(() => formatTyping(typing.value, words)), handleTyping, stopTyping }
}

/** What a user does, in words: `Viewing /docs/7`; empty where that is not known. */
export function useActivity(userId: Id, words?: Partial<ActivityWords>): Ref<string> {
  const presence = usePresence(userId)
  return computed(() => formatActivity(presence.value?.activity, words))
}

/** How the connection stands. */
export function useConnection(): Readonly<ShallowRef<Connection>> {
  const client = usePresenceClient()
  const connection = shallowRef(client.connection)
  const look = () => (connection.value = client.connection)
  if (typeof document === 'object') {
    client.addEventListener('status', look)
    onScopeDispose(() => client.removeEventListener('status', look))
  }
  return connection
}
