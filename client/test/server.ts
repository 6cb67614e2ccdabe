/** A server in the test's own process: it keeps the contract as far as the client can tell, and remembers what it was asked. */
import { vi } from 'vitest'
import type { Presence, RoomState, Subscription } from '../src/api.gen.js'
// Loaded before time stands still, as an application's bundler would have done.
import '../src/live.js'
import { PresenceClient, type PresenceOptions } from '../src/index.js'

export interface Asked {
  method: string
  path: string
  body: any
  headers: Headers
  keepalive: boolean
  signal: AbortSignal | undefined
}

export interface Stream {
  asked: Asked
  send(event: string, data: unknown, id?: string): void
  raw(text: string): void
  end(): void
  break(): void
  /** Whether the client has let go of it. */
  closed: boolean
}

export const presence = (userId: string, status: Presence['status'] = 'online', more: Partial<Presence> = {}): Presence => ({
  userId,
  status,
  notify: status !== 'dnd',
  rev: ++FakeServer.rev,
  ...more,
})

const problem = (status: number, code: string, headers: Record<string, string> = {}) =>
  Response.json(
    { type: '/docs#problem-' + code, title: code, status, detail: code, code, requestId: 'r' },
    { status, headers: { 'Content-Type': 'application/problem+json', ...headers } },
  )

export class FakeServer {
  static rev = 1_000_000
  asked: Asked[] = []
  streams: Stream[] = []
  subscriptions = new Map<string, Subscription>()
  nextMs = 30_000
  ttlMs = 90_000
  idleAfterMs = 300_000
  pingMs = 30_000
  self = 'ada'
  /** What to say before the rest of it; whoever returns undefined leaves it to the others. */
  rules: ((asked: Asked) => Response | Promise<Response> | undefined)[] = []
  /** Whether a stream says hello and how things stand by itself. */
  greets = true
  /** Whether the token grants a room. */
  granted = (_room: string) => true
  states = new Map<string, Presence>()
  rooms = new Map<string, RoomState>()
  sessions = new Set<string>()
  n = 0

  /** Refuses the next requests (all, where `times` is absent) that match. */
  refuse(method: string, path: RegExp, status: number, code = 'internal', times = Infinity, headers?: Record<string, string>): void {
    this.rules.push((asked) => {
      if (asked.method !== method || !path.test(asked.path) || times-- <= 0) return undefined
      return status === 0 ? Promise.reject(new TypeError('network down')) : status === 204 ? new Response(null, { status }) : problem(status, code, headers)
    })
  }

  of(method: string, path: RegExp): Asked[] {
    return this.asked.filter((asked) => asked.method === method && path.test(asked.path))
  }

  get beats(): Asked[] {
    return this.of('POST', /heartbeat$/)
  }

  /** The stream that was opened last. */
  get stream(): Stream {
    return this.streams.at(-1)!
  }

  get open(): Stream[] {
    return this.streams.filter((stream) => !stream.closed)
  }

  fetch = vi.fn(async (url: string | URL | Request, init: RequestInit = {}): Promise<Response> => {
    const { method = 'GET', body, keepalive = false } = init
    const asked: Asked = {
      method,
      path: String(url),
      body: typeof body === 'string' && body[0] === '{' ? JSON.parse(body) : (body ?? undefined),
      headers: new Headers(init.headers),
      keepalive,
      signal: init.signal ?? undefined,
    }
    this.asked.push(asked)
    if (asked.signal?.aborted) throw asked.signal.reason
    for (const rule of this.rules) {
      const answer = rule(asked)
      if (answer) return this.abortable(answer, asked.signal)
    }
    return this.abortable(this.answer(asked), asked.signal)
  }) as unknown as typeof fetch & ReturnType<typeof vi.fn>

  private async abortable(answer: Response | Promise<Response>, signal?: AbortSignal): Promise<Response> {
    return await Promise.race([answer, new Promise<never>((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason)))])
  }

  private answer(asked: Asked): Response {
    const { method, body } = asked
    const path = asked.path.replace(/^https?:\/\/[^/]+/, '')
    if (path === '/v1/presence/heartbeat') {
      this.sessions.add(body.sessionId)
      return Response.json({
        presence: presence(this.self, 'online'),
        session: { sessionId: body.sessionId, state: 'online', visibility: body.visibility, left: false, startedAt: this.now(), lastBeatAt: this.now(), deadline: this.now() },
        nextMs: this.nextMs,
        ttlMs: this.ttlMs,
        idleAfterMs: this.idleAfterMs,
        leaveToken: 'leave-' + body.sessionId + '-' + body.seq,
        ...(body.rooms && { refusedRooms: body.rooms.filter((room: string) => !this.granted(room)) }),
      })
    }
    if (path === '/v1/presence/leave') return new Response(null, { status: 202 })
    if (path === '/v1/subscriptions') {
      const id = 'sub' + ++this.n
      const { users = [], rooms = [], mode = 'live' } = body
      const refusal = this.refusal('/rooms', rooms)
      if (refusal) return refusal
      const subscription: Subscription = {
        id,
        ticket: 't-' + id,
        streamUrl: '/v1/stream?ticket=t-' + id,
        expiresAt: new Date(Date.now() + 3600_000).toISOString(),
        users,
        rooms,
        events: ['presence', 'room', 'typing'],
        mode,
      }
      this.subscriptions.set(id, subscription)
      return Response.json(subscription, { status: 201 })
    }
    const [, id, renew] = /^\/v1\/subscriptions\/([^/]+)(\/renew)?$/.exec(path) ?? []
    if (id) {
      const before = this.subscriptions.get(id)
      if (!before) return problem(404, 'not_found')
      if (method === 'DELETE') {
        this.subscriptions.delete(id)
        return new Response(null, { status: 204 })
      }
      const refusal = renew ? this.refusal('/rooms', before.rooms) : this.refusal('/addRooms', body.addRooms)
      if (refusal) return refusal
      if (renew) return Response.json(before)
      const { addUsers = [], removeUsers = [], addRooms = [], removeRooms = [], mode = before.mode } = body
      const after: Subscription = {
        ...before,
        users: [...before.users.filter((u) => !removeUsers.includes(u)), ...addUsers],
        rooms: [...before.rooms.filter((r) => !removeRooms.includes(r)), ...addRooms],
        mode,
      }
      this.subscriptions.set(id, after)
      if (this.greets && (addUsers.length || addRooms.length)) {
        queueMicrotask(() => this.stream.send('snapshot', this.snapshot(addUsers, addRooms, 'added'), 'e' + ++this.n))
      }
      return Response.json(after)
    }
    if (path.startsWith('/v1/stream')) return this.openStream(asked)
    if (path === '/v1/presence/privacy') {
      const privacy = { online: 'everyone', lastSeen: 'contacts', activity: 'contacts', typing: 'everyone' }
      return Response.json(method === 'PUT' ? body : privacy, { headers: { ETag: '"1"' } })
    }
    if (/^\/v1\/presence\/(status|custom|activity)/.test(path)) return Response.json(presence(this.self, body?.status ?? 'online'))
    if (path === '/v1/presence/query') return Response.json({ presences: body.users.map((u: string) => presence(u)) })
    const [, room] = /^\/v1\/rooms\/([^/]+)/.exec(path) ?? []
    if (room && !this.granted(room)) return problem(403, 'room_not_granted')
    if (/members\/me|typing$/.test(path)) return new Response(null, { status: 204 })
    if (/count$/.test(path)) return Response.json({ users: 0, sessions: 0 })
    return problem(404, 'not_found')
  }

  /** Refuses a request that names rooms which are not granted, and points to each. */
  private refusal(list: string, rooms: string[] = []): Response | undefined {
    const errors = rooms.flatMap((room, i) => (this.granted(room) ? [] : { pointer: `${list}/${i}`, detail: 'no' }))
    return errors.length ? Response.json({ status: 403, code: 'room_not_granted', detail: 'no', errors }, { status: 403 }) : undefined
  }

  now(): string {
    return new Date().toISOString()
  }

  /** How all that is watched stands, everybody online where a test has not said otherwise. */
  snapshot(users: string[], rooms: string[], scope = 'all') {
    const state = (user: string) => this.states.get(user) ?? presence(user)
    const entries = rooms.map((room) => [room, this.rooms.get(room) ?? { members: [], count: 0, rev: ++FakeServer.rev }])
    return { part: 1, parts: 1, scope, presences: users.map(state), rooms: Object.fromEntries(entries), typing: Object.fromEntries(rooms.map((room) => [room, []])) }
  }

  private openStream(asked: Asked): Response {
    const ticket = new URL(asked.path, 'http://x').searchParams.get('ticket')
    const subscription = [...this.subscriptions.values()].find((s) => s.ticket === ticket)
    if (!subscription) return problem(410, 'subscription_gone')
    let controller!: ReadableStreamDefaultController<Uint8Array>
    const body = new ReadableStream<Uint8Array>({
      start: (c) => void (controller = c),
      cancel: () => void (stream.closed = true),
    })
    const raw = (text: string) => !stream.closed && controller.enqueue(new TextEncoder().encode(text))
    const end = (how: () => void) => {
      if (stream.closed) return
      stream.closed = true
      how()
    }
    const stream: Stream = {
      asked,
      closed: false,
      raw,
      send: (event, data, id) => raw((id === undefined ? '' : `id: ${id}\n`) + `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`),
      end: () => end(() => controller.close()),
      break: () => end(() => controller.error(new TypeError('network error'))),
    }
    asked.signal?.addEventListener('abort', () => end(() => controller.error(asked.signal!.reason)))
    this.streams.push(stream)
    if (this.greets) {
      this.hello(stream, subscription)
      const { users, rooms, mode } = subscription
      if (mode === 'live') stream.send('snapshot', this.snapshot(users, rooms), 'e' + ++this.n)
    }
    return new Response(body, { headers: { 'Content-Type': 'text/event-stream' } })
  }

  hello(stream: Stream, subscription?: Subscription, resumed = false): void {
    stream.send('hello', { streamId: 's', subscriptionId: subscription?.id, resumed, serverTime: this.now(), pingMs: this.pingMs, limits: { users: 1000, rooms: 50 } })
  }

  /** Keeps the present stream alive by itself. */
  ping(): void {
    for (const stream of this.open) stream.send('ping', { serverTime: this.now() })
  }
}

/** A client of that server, with the token of a user, which nobody checks. */
export function clientOf(server: FakeServer, options: PresenceOptions = {}): PresenceClient {
  return new PresenceClient({ url: 'https://presence.test', fetch: server.fetch, getToken: () => tokenOf(server.self), ...options })
}

export const tokenOf = (sub: string, seconds = 3600, salt = 0, rooms?: string[]): string => {
  const part = (value: unknown) => btoa(JSON.stringify(value)).replace(/\+/g, '-').replace(/\//g, '_').replace(/=/g, '')
  return `${part({ alg: 'none' })}.${part({ sub, iat: 1000, exp: 1000 + seconds, salt, rooms })}.x`
}

/** Lets everything happen that does not take time, or all that happens within some. */
export async function pass(ms = 0): Promise<void> {
  // Streams and fetches take a few rounds of the real event loop, which fake timers do not turn.
  for (let i = 0; i < 5; i++) {
    await vi.advanceTimersByTimeAsync(0)
    await new Promise<void>((resolve) => setImmediateReal(resolve))
  }
  if (!ms) return
  await vi.advanceTimersByTimeAsync(ms)
  await pass()
}

const setImmediateReal = setImmediate
