/** The client: what an application sees. */
import type { BeatAnswer, ChosenStatus, CustomChoice, Doing, Presence, PresenceList, Privacy } from './api.gen.js'
import { createApi, memberPath, type RequestOptions, type TokenSource } from './api.js'
import type { Verdict } from './backoff.js'
import type { ConnectionStatus } from './link.js'
import type { Host, Live } from './live.js'
import { PresenceError } from './problem.js'
import { createRefs, type Refs } from './refs.js'
import { createStore, isHere, type PresenceView, type RoomView, type Store, type Topic, type Typist } from './store.js'
import type { TabsEnvironment } from './tabs.js'
import type { Transport } from './transport/stream.js'

/** How a client is set up. All of it is optional on a page that has the cookie `presently`. */
export interface PresenceOptions {
  /** Where the server is, such as `https://presence.example.org`; the page's own origin where absent. */
  url?: string
  /** Gets a token for the user from your own backend; called again before it ends, and when it is refused. */
  getToken?: TokenSource
  /** A token that outlives the page, in place of `getToken`. */
  token?: string
  /** Who the user is; read from the token where absent. Tabs share a connection only if they know that they are the same user's. */
  userId?: string
  /** What kind of device this is: `web`. */
  device?: string
  /** Whether the user is here by this page; `false` only watches. */
  heartbeat?: boolean
  /** Whether the tabs of a browser share one stream and one heartbeat; where `false`, each has its own. */
  shareTabs?: boolean | TabsEnvironment
  /** Whether the stream is silenced while no tab is visible. */
  quietWhenHidden?: boolean
  /** Whether timers run in a Worker, which a hidden page does not slow down. */
  worker?: boolean
  /** `fetchStream`, or `eventSourceStream`. */
  transport?: Transport
  /** Overrules what is done about a refused stream, where it returns something. */
  judge?: (error: PresenceError) => Verdict | undefined
  /** How long, in ms, what nobody watches any more is still watched: 1500. */
  lingerMs?: number
  /** How many characters one event may have: 1 Mi. */
  maxEventLength?: number
  fetch?: typeof globalThis.fetch
  credentials?: RequestCredentials
}

/** What a presence handler is told: somebody came, went, or is different now. */
export interface PresencePacket {
  /** The room, or `user:<id>`. */
  topic: string
  userId: string
  /** The same as `userId`. */
  clientId: string
  /** Whether he is here; `presence` says as what. */
  status: 'online' | 'offline'
  /** All that is known of him. */
  presence: PresenceView
  /** It was so before the handler came, or before the connection did: no reason for a sound. */
  initial: boolean
  /** When it was heard, by this clock. */
  timestamp: number
  /** Who is here, in this topic. */
  subscribers: string[]
}

export type PresenceHandler = (packet: PresencePacket) => void

/** What a typing handler is told: everybody who types now, but the user himself. */
export interface TypingPacket {
  room: string
  typing: readonly Typist[]
}

export type TypingHandler = (packet: TypingPacket) => void

/** How the connection stands. */
export interface Connection {
  readonly status: ConnectionStatus
  /** People are shown as they were. */
  readonly stale: boolean
  /** The server has lost its store, and says so. */
  readonly degraded: boolean
}

/** The events that a client dispatches, and their details. */
export interface PresenceEvents {
  /** The connection has changed. */
  status: CustomEvent<Connection>
  /** Something went wrong that no promise tells of. */
  error: CustomEvent<PresenceError>
  /** The token does not grant a room that this page watches or is in. It is left out until there is another token, or another wish. */
  roomRefused: CustomEvent<{ room: string }>
  /** An event of the stream, as it came. */
  event: CustomEvent<{ event: string; data: unknown; id: string }>
  /** A heartbeat was answered. */
  beat: CustomEvent<BeatAnswer>
}

/** How long a choice keeps: a duration, or until a moment; 0 until it is cleared. */
export interface Expiry {
  expiresInMs?: number
  expiresAt?: string
}

const USER = 'user:'
const RELOAD = 5000 // ms until the live half is loaded again, where that has failed

type Handlers<H> = Map<string, Map<H, () => void>>

/** Adds a handler to those of a topic, unless it is there, and remembers how to end it. */
function on<H>(registry: Handlers<H>, topic: string, handler: H, begin: () => () => void): void {
  const handlers = registry.get(topic) ?? new Map<H, () => void>()
  if (!handlers.has(handler)) registry.set(topic, handlers.set(handler, begin()))
}

function off<H>(registry: Handlers<H>, topic: string, handler: H): void {
  const handlers = registry.get(topic)
  handlers?.get(handler)?.()
  handlers?.delete(handler)
  if (!handlers?.size) registry.delete(topic)
}

/** Typed as what a client dispatches. */
export interface PresenceClient {
  addEventListener<K extends keyof PresenceEvents>(type: K, listener: (event: PresenceEvents[K]) => void, options?: boolean | AddEventListenerOptions): void
  addEventListener(type: string, listener: EventListenerOrEventListenerObject | null, options?: boolean | AddEventListenerOptions): void
  removeEventListener<K extends keyof PresenceEvents>(type: K, listener: (event: PresenceEvents[K]) => void, options?: boolean | EventListenerOptions): void
  removeEventListener(type: string, listener: EventListenerOrEventListenerObject | null, options?: boolean | EventListenerOptions): void
}

/** Watches who is here, and says that the user is. Nothing happens before `connect()`. */
export class PresenceClient extends EventTarget {
  /** What is known; for bindings to frameworks. */
  readonly store: Store = createStore()
  readonly #host: Host
  readonly #presence: Handlers<PresenceHandler> = new Map()
  readonly #typing: Handlers<TypingHandler> = new Map()
  #live?: Live
  #loading?: Promise<Live> | undefined
  #open = false

  constructor(options: PresenceOptions = {}) {
    super()
    const { url = '', getToken, token, userId = '', lingerMs, credentials } = options
    const source = getToken ?? (token ? () => token : undefined)
    const fetch: typeof globalThis.fetch = options.fetch ?? ((...args) => globalThis.fetch(...args))
    const refs = (): Refs => createRefs(() => this.#live?.reportSoon(), lingerMs)
    this.store.self = userId
    this.#host = {
      options,
      api: createApi(url.replace(/\/$/, ''), source, fetch, credentials ?? (source ? 'same-origin' : 'include')),
      store: this.store,
      users: refs(),
      rooms: refs(),
      joined: refs(),
      connection: { status: 'idle', stale: true, degraded: false },
      dispatch: (type, detail) => this.dispatchEvent(new CustomEvent(type, { detail })),
    }
  }

  /** Comes in: begins to beat and to watch. To call it again tries again, also what was refused for good. */
  connect(): void {
    this.#open = true
    this.#load().then(
      (live) => this.#open && live.connect(),
      (cause) => {
        this.#failed(new PresenceError('network', { cause }))
        setTimeout(() => this.#open && this.connect(), RELOAD)
      },
    )
  }

  /** Goes out: leaves, unless another tab stays. `everywhere` closes the clients of all tabs, as when the user logs out. */
  close({ everywhere = false } = {}): void {
    this.#open = false
    this.#live?.close(everywhere)
  }

  /** Whether it has come in and not gone out, however the connection stands. */
  get isOpen(): boolean {
    return this.#open
  }

  /** How the connection stands; the same object until that changes. */
  get connection(): Connection {
    return this.#host.connection
  }

  /** `connection.status`. */
  get status(): ConnectionStatus {
    return this.connection.status
  }

  /** Who the user is, as soon as that is known. */
  get userId(): string | undefined {
    return this.store.self || undefined
  }

  /** The id of the session, which all tabs share, while there is one. */
  get sessionId(): string | undefined {
    return this.#live?.session()
  }

  /**
   * Tells `handler` of everybody in a room, or of one user where the topic is `user:<id>`: who is there, who comes, goes or
   * changes. What is known already is told in a moment, as `initial`. A handler counts once for a topic.
   */
  async onPresence(topic: string, handler: PresenceHandler): Promise<void> {
    on(this.#presence, topic, handler, () => this.#follow(topic, handler))
  }

  /** Ends what `onPresence` began. */
  offPresence(topic: string, handler: PresenceHandler): void {
    off(this.#presence, topic, handler)
  }

  /** Ends all that `onPresence` began for a topic. */
  clearPresenceHandlers(topic: string): void {
    this.#presence.get(topic)?.forEach((_, handler) => this.offPresence(topic, handler))
  }

  /** Tells `handler` who types in a room, whenever that changes. */
  onTyping(room: string, handler: TypingHandler): void {
    let last: readonly Typist[] = []
    const look = () => {
      const typing = this.getTyping(room)
      if (typing === last || typing.length + last.length === 0) return
      last = typing
      this.#tell(handler, { room, typing })
    }
    on(this.#typing, room, handler, () => this.watch('typing', room, look, true))
  }

  /** Ends what `onTyping` began. */
  offTyping(room: string, handler: TypingHandler): void {
    off(this.#typing, room, handler)
  }

  /** To be called on every stroke: says that the user types, no more often than needed, and ends it after a pause. */
  startTyping(room: string, threadId?: string): void {
    this.#live?.strokes.start(room, threadId)
  }

  /** To be called when the message is sent, or the field is left or emptied. */
  stopTyping(room: string, threadId?: string): void {
    this.#live?.strokes.stop(room, threadId)
  }

  /** Chooses a status, which no heartbeat changes, until it expires: a day for busy and dnd, a week for away and online, never for invisible. */
  setStatus(status: ChosenStatus, expiry: Expiry = {}): Promise<Presence> {
    return this.#put('status', { status, ...expiry })
  }

  /** Lets the status follow what the user does again. */
  clearStatus(): Promise<Presence> {
    return this.#put('status', null)
  }

  /** Says something about the user, such as `{ text: 'Lunch', emoji: '🍜', expiresInMs: 3_600_000 }`; null takes it back. */
  setCustomStatus(custom: CustomChoice | string | null): Promise<Presence> {
    return this.#put('custom', typeof custom === 'string' ? { text: custom } : custom)
  }

  /** Says what the user does, as long as this page lives, or for `ttlMs`; null ends it. */
  async setActivity(doing: Doing | null): Promise<void> {
    const live = await this.#load()
    live.setDoing(doing?.ttlMs ? undefined : (doing ?? undefined))
    await live.inSession((sessionId) => this.#put('activity', doing && { sessionId, ...doing }, '?sessionId=' + sessionId))
  }

  /**
   * Says which page the user views. Without one it follows the address, wherever the application goes. Returns what ends that.
   */
  trackPage(page?: string, label?: string): () => void {
    let last: string | undefined
    const view = (target: string) => {
      if (target === last) return
      last = target
      this.setActivity({ type: 'viewing', target: target.slice(0, 512), label }).catch(this.#failed)
    }
    const look = () => view(page ?? globalThis.location?.pathname ?? '/')
    look()
    if (page) return () => void this.setActivity(null).catch(this.#failed)
    const { navigation, window } = globalThis as { navigation?: EventTarget; window?: EventTarget }
    const [target, name] = navigation ? [navigation, 'currententrychange'] : [window, 'popstate']
    target?.addEventListener(name!, look)
    return () => target?.removeEventListener(name!, look)
  }

  /** Watches users. Watching is counted: each takes one `unwatchUsers`. */
  watchUsers(ids: Iterable<string>): void {
    for (const id of ids) this.#host.users.add(id)
  }

  /** Ends as much watching as `watchUsers` began, in a moment. */
  unwatchUsers(ids: Iterable<string>): void {
    for (const id of ids) this.#host.users.remove(id)
  }

  /** Comes into a room, for as long as this page lives, and watches it. Joining is counted. Rejects where the token does not grant the room. */
  async joinRoom(room: string): Promise<void> {
    const { joined, rooms } = this.#host
    const first = !joined.has(room)
    joined.add(room)
    rooms.add(room)
    if (!first) return
    const live = await this.#load()
    live.report()
    try {
      await live.inSession((sessionId) => this.request('PUT', memberPath(room, sessionId)))
    } catch (error) {
      if ((error as PresenceError).status) void this.leaveRoom(room)
      throw error
    }
  }

  /** Goes out of a room; with `lingerMs` in a moment, unless it was joined again. */
  async leaveRoom(room: string, lingerMs = 0): Promise<void> {
    const { joined, rooms } = this.#host
    if (!joined.has(room)) return
    this.stopTyping(room)
    rooms.remove(room)
    joined.remove(room)
    if (lingerMs) return
    joined.sweep()
    this.#live?.report()
    await this.#live?.leaveRooms()
  }

  /** What is known of a user; undefined where nothing is. He need not be online, and while the connection is down he is `stale`. */
  getPresence(userId: string): PresenceView | undefined {
    return this.store.user(userId)
  }

  /** All known users who are watched, or are in a room that is. */
  getAllPresence(): Map<string, PresenceView> {
    const { users, rooms } = this.#host
    const views = [...users.keys().map(this.store.user), ...rooms.keys().flatMap((room) => this.store.room(room).members)]
    return new Map(views.flatMap((view) => (view ? [[view.userId, view]] : [])))
  }

  /** What is known of a room. */
  getRoom(room: string): RoomView {
    return this.store.room(room)
  }

  /** Who types in a room, but the user himself. */
  getTyping(room: string): readonly Typist[] {
    return this.store.typing(room)
  }

  /** Who is in a room; or for `user:<id>` that user, if he is here. */
  getTopicUsers(topic: string): string[] {
    return this.#views(topic).flatMap((view) => (isHere(view) ? view.userId : []))
  }

  /** In which of the watched rooms a user is. */
  getUserTopics(userId: string): string[] {
    return this.store.roomsOf(userId).filter(this.#host.rooms.has)
  }

  /** How many different users are here, over all that is watched. */
  getTotalActiveUsers(): number {
    return [...this.getAllPresence().values()].filter(isHere).length
  }

  /** Whether a user is here, be he away or busy, or was when we last knew. */
  isUserOnline(userId: string): boolean {
    return isHere(this.store.user(userId))
  }

  /** Says that the user is active, where the page cannot know: in a game, or watching a film. */
  sendActivityPing(): void {
    this.#live?.active()
  }

  /** Who may see what of the user. */
  getPrivacy(): Promise<Privacy> {
    return this.request('GET', '/v1/presence/privacy')
  }

  /** Changes who may see what of the user; what is absent stays. */
  async setPrivacy(change: Partial<Privacy>, again = true): Promise<Privacy> {
    const path = '/v1/presence/privacy'
    const { json, headers } = await this.#host.api.exchange('GET', path)
    try {
      return await this.request('PUT', path, { ...(json as Privacy), ...change }, { headers: { 'If-Match': headers.get('ETag') ?? '*' } })
    } catch (error) {
      // Somebody has changed something in between.
      if (again && (error as PresenceError).status === 412) return this.setPrivacy(change, false)
      throw error
    }
  }

  /** Asks for users once, without watching them; any number of them. */
  async queryPresence(users: string[]): Promise<Presence[]> {
    if (!users.length) return []
    const { presences } = await this.request<PresenceList>('POST', '/v1/presence/query', { users: users.slice(0, 500) })
    return [...presences, ...(await this.queryPresence(users.slice(500)))]
  }

  /** Any other request of the API, with the token, its refresh, and problems as PresenceError. */
  request<T = void>(method: string, path: string, body?: unknown, options?: RequestOptions): Promise<T> {
    return this.#host.api.request<T>(method, path, body, options)
  }

  /**
   * Watches one thing, and calls `listener` whenever what is known of it has changed; with `now` also in a moment, for what is known
   * already. Returns what ends both. For bindings to frameworks.
   */
  watch(topic: Topic, id: string, listener: () => void, now = false): () => void {
    let ended = false
    const refs = topic === 'user' ? this.#host.users : this.#host.rooms
    const unsubscribe = this.store.subscribe(topic, id, listener)
    refs.add(id)
    if (now) queueMicrotask(() => ended || listener())
    return () => {
      if (ended) return
      ended = true
      unsubscribe()
      refs.remove(id)
    }
  }

  // Loaded when it is first needed, so that a page can be drawn without it.
  #load(): Promise<Live> {
    return (this.#loading ??= import('./live.js').then(
      ({ createLive }) => (this.#live = createLive(this.#host)),
      (error) => {
        this.#loading = undefined
        throw error
      },
    ))
  }

  readonly #failed = (error: PresenceError): void => {
    this.#host.dispatch('error', error)
  }

  async #put(what: string, body: object | null, query = ''): Promise<Presence> {
    const path = '/v1/presence/' + what
    const presence = await (body ? this.request<Presence>('PUT', path, body) : this.request<Presence>('DELETE', path + query))
    this.store.presences([presence])
    this.#live?.own(presence)
    return presence
  }

  #views(topic: string): readonly PresenceView[] {
    if (!topic.startsWith(USER)) return this.store.room(topic).members
    const view = this.store.user(topic.slice(USER.length))
    return view ? [view] : []
  }

  #follow(topic: string, handler: PresenceHandler): () => void {
    const isUser = topic.startsWith(USER)
    let seen: Map<string, [Presence, PresenceView]> | undefined
    const look = () => {
      const before = seen
      const views = this.#views(topic)
      const room = isUser ? undefined : this.store.room(topic)
      if (room ? room.isLoading || room.isRefused : !views.length) return
      seen = new Map(views.map((view) => [view.userId, [this.store.said(view.userId)!, view]]))
      const tell = (presence: PresenceView, here: boolean) => {
        const { userId } = presence
        this.#tell(handler, {
          topic,
          userId,
          clientId: userId,
          status: here ? 'online' : 'offline',
          presence,
          initial: !before,
          timestamp: Date.now(),
          subscribers: this.getTopicUsers(topic),
        })
      }
      // By what the server said: that somebody has become stale is no change of him.
      seen.forEach(([said, view], id) => before?.get(id)?.[0] === said || tell(view, isHere(view)))
      before?.forEach(([, view], id) => seen!.has(id) || tell(view, false))
    }
    return this.watch(isUser ? 'user' : 'room', isUser ? topic.slice(USER.length) : topic, look, true)
  }

  // A handler that throws must not keep others from being told.
  #tell<T>(handler: (packet: T) => void, packet: T): void {
    try {
      handler(packet)
    } catch (cause) {
      this.#failed(new PresenceError('handler', { cause }))
    }
  }
}
