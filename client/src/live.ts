/**
 * The live half of a PresenceClient, which `connect()` loads: one tab leads and has a link and a heart, the others hear of it. Here the needs of all
 * tabs become one subscription and one session, and what the page goes through reaches whom it concerns.
 */
import type { BeatAnswer, Doing, HelloEvent, PingEvent, Presence, PresenceEvent, RoomEvent, SnapshotEvent, TypingEvent, TypingMark } from './api.gen.js'
import { claims, memberPath, type Api } from './api.js'
import { createBackoff } from './backoff.js'
import type { Connection, PresenceEvents, PresenceOptions } from './client.js'
import { createHeart, type Facts, type Session } from './heart.js'
import { IdleDetector } from './idle.js'
import { createLink, type ConnectionStatus, type Place, type Wanted } from './link.js'
import { isHidden, watchPage } from './page.js'
import { PresenceError } from './problem.js'
import type { Refs } from './refs.js'
import type { Store } from './store.js'
import { browserTabs, createTabs, type Tabs } from './tabs.js'
import { createTimers } from './timers.js'
import { fetchStream } from './transport/stream.js'
import { createStrokes } from './typing.js'

const INPUT = 10_000 // ms between a tab's reports of input to the one that leads
const GATHER = 200 // ms for which a new leader hears what the others need, so that nothing is dropped to be taken up again

/** What a tab needs of the one that leads. */
interface Need {
  users: string[]
  rooms: string[]
  joined: string[]
  hidden: boolean
  input: number
  doing: Doing | undefined
  doingAt: number
}

interface State {
  connection: Connection
  session: Session
  place: Place
  refused: string[]
}

/** What tabs tell one another. */
type Message =
  | { need: Need }
  | { ask: 'needs' | 'beat' | 'close' | 'wake' }
  | { event: string; data: unknown; id?: string | undefined }
  | { state: State; dump?: SnapshotEvent | undefined }

/** What a client has before it is live. */
export interface Host {
  options: PresenceOptions
  api: Api
  store: Store
  /** Whom and what this tab watches, and where the user is by it. */
  users: Refs
  rooms: Refs
  joined: Refs
  connection: Connection
  dispatch(type: keyof PresenceEvents, detail: unknown): void
}

/** A live client. */
export type Live = ReturnType<typeof createLive>

export function createLive(host: Host) {
  const { options, api, store, dispatch } = host
  const { userId, device = 'web', heartbeat = true, shareTabs = true, quietWhenHidden = true } = options
  const timers = createTimers(options.worker)
  const failed = (error: PresenceError) => dispatch('error', error)
  const needs = new Map<string, Need>()

  // Each connect has its own; whatever waits across a close finds another.
  let open: object | undefined
  let tabs: Tabs<Message> | undefined
  let idle: IdleDetector | undefined
  let unwatch: (() => void) | undefined
  let paused = false
  // Whether this tab leads, and knows for whom.
  let ready = false
  // Whether another tab has led before.
  let followed = false
  let scheduled = false
  let reportedAt = 0
  let joinedByAll: string[] = []
  let everJoined = false
  let mine: Need | undefined // as it was last reported
  let doing: Doing | undefined
  let doingAt = 0
  let alive = false
  let waiting: { resolve(): void; reject(error: PresenceError): void }[] = []

  const leads = () => !!tabs?.leads
  const granted = (room: string) => !store.refused.has(room)

  // -- how things stand

  const setStatus = (status: ConnectionStatus, degraded = status === 'live' && host.connection.degraded) => {
    const before = host.connection
    if (before.status === status && before.degraded === degraded) return
    const stale = status !== 'live' || degraded
    host.connection = { status, stale, degraded }
    store.setStale(stale)
    dispatch('status', host.connection)
    // Where the stream gets through again, so does a heartbeat that has failed.
    if (status === 'live' && leads()) heart.nudge()
  }
  const prune = () => {
    const { users = [], rooms = [] } = link.place.subscription ?? {}
    store.keep(new Set([...users, ...host.users.keys()]), new Set([...rooms, ...host.rooms.keys().filter(granted)]))
  }
  // Tells the other tabs all that any of them needs to take over.
  const tell = (dump = false) => {
    const { place } = link
    if (ready) setStatus(link.status)
    prune()
    tabs!.post({
      state: { connection: host.connection, session: heart.session, place, refused: [...store.refused] },
      dump: dump ? store.dump(place.subscription?.users ?? [], place.subscription?.rooms ?? []) : undefined,
    })
  }

  // -- what all tabs need

  const need = (): Need => ({
    users: host.users.keys(),
    rooms: host.rooms.keys(),
    joined: host.joined.keys(),
    hidden: isHidden(),
    input: idle?.lastInput ?? Date.now(),
    doing,
    doingAt,
  })
  const all = () => [need(), ...needs.values()]
  const union = (key: 'users' | 'rooms' | 'joined') => [...new Set(all().flatMap((each) => each[key]))]
  const hidden = () => all().every((each) => each.hidden)
  const wanted = (): Wanted => ({ users: union('users'), rooms: union('rooms').filter(granted), quiet: quietWhenHidden && hidden() })
  // One person before many tabs: active where he is active, visible where one tab is.
  const facts = (): Facts => {
    const rooms = union('joined')
    const latest = all().reduce((a, b) => (b.doingAt > a.doingAt ? b : a)).doing
    everJoined ||= !!rooms.length
    return {
      device,
      idleMs: Math.max(0, Date.now() - Math.max(...all().map((each) => each.input))),
      visibility: hidden() ? 'hidden' : 'visible',
      activity: latest,
      rooms: everJoined ? rooms.filter(granted) : undefined,
    }
  }
  const setRefused = (rooms: Iterable<string>) => {
    for (const room of store.setRefused(rooms)) if (host.rooms.has(room) || host.joined.has(room)) dispatch('roomRefused', { room })
  }
  // What the token does not grant is asked for again when somebody newly wishes for it, and forgotten when nobody does.
  const wish = (now: Need, before?: Need) => {
    const had = before && new Set([...before.rooms, ...before.joined])
    const isNew = (room: string) => !had?.has(room) && (now.rooms.includes(room) || now.joined.includes(room))
    const all = new Set([...union('rooms'), ...union('joined')])
    setRefused([...store.refused].filter((room) => all.has(room) && !isNew(room)))
  }
  const refuse = (rooms: string[]) => {
    const news = rooms.some(granted)
    setRefused([...store.refused, ...rooms])
    if (news) link.update()
    if (news) tell()
    return news
  }
  const changed = () => {
    if (!ready) return
    link.update()
    heart.nudge()
    void leaveRooms()
  }
  // Rooms that no tab is in any more are left at once; the next beat would leave them, too.
  const leaveRooms = async () => {
    if (!ready) return
    const before = joinedByAll
    joinedByAll = union('joined')
    const left = before.filter((room) => !joinedByAll.includes(room))
    await Promise.all(left.map((room) => api.request('DELETE', memberPath(room, heart.session.sessionId)).catch(failed)))
  }
  const report = () => {
    if (!tabs || paused) return
    reportedAt = Date.now()
    const now = need()
    if (tabs.leads) {
      wish(now, mine)
      changed()
    } else tabs.post({ need: now })
    mine = now
  }
  const reportSoon = () => {
    if (scheduled) return
    scheduled = true
    queueMicrotask(() => {
      scheduled = false
      report()
    })
  }

  // -- what comes

  const take = (event: string, data: unknown, id: string | undefined) => {
    if (event === 'hello' || event === 'ping') store.setTime((data as PingEvent).serverTime)
    // A server that cannot go on where we were may have forgotten who is here, too.
    if (event === 'hello' && host.connection.status === 'stale' && !(data as HelloEvent).resumed) heart.nudge(true)
    if (event === 'hello' || event === 'recovered') setStatus(host.connection.status, false)
    else if (event === 'degraded') setStatus(host.connection.status, true)
    else if (event === 'snapshot') store.snapshot(data as SnapshotEvent)
    else if (event === 'presence') store.presences((data as PresenceEvent).presences)
    else if (event === 'room') store.roomChanged((data as RoomEvent).room, data as RoomEvent)
    else if (event === 'typing') store.typingChanged(data as TypingEvent)
    if (id !== undefined) dispatch('event', { event, data, id })
  }
  // Without an id it is no event of the stream, but looks like one.
  const share = (event: string, data: unknown, id?: string) => {
    tabs?.post({ event, data, id })
    take(event, data, id)
  }
  const settle = () => {
    alive = true
    for (const { resolve } of waiting.splice(0)) resolve()
  }
  const beaten = (answer: BeatAnswer) => {
    store.self = answer.presence.userId
    live.own(answer.presence)
    if (idle) idle.idleAfterMs = answer.idleAfterMs
    settle()
    if (!refuse(answer.refusedRooms ?? [])) tell()
    dispatch('beat', answer)
  }
  const receive = (message: Message, from: string) => {
    if ('event' in message) {
      if (message.id) link.place.lastEventId = message.id
      take(message.event, message.data, message.id)
    } else if ('ask' in message) {
      if (message.ask === 'close') live.close(true)
      else if (message.ask === 'needs') report()
      else if (message.ask === 'wake') awake()
      else heart.nudge(true)
    } else if (leads()) {
      if (!('need' in message)) return
      const before = needs.get(from)
      const isNew = !before
      needs.set(from, message.need)
      wish(message.need, before)
      changed()
      if (isNew) tell(true)
    } else if ('state' in message) {
      const { connection, session, place, refused } = message.state
      const beaten = !alive || session.seq > heart.session.seq
      followed = true
      heart.session = session
      link.place = place
      link.hadData ||= connection.status === 'live'
      setRefused(refused)
      if (message.dump) store.snapshot(message.dump)
      if (session.leaveToken && beaten) settle()
      prune()
      setStatus(connection.status, connection.degraded)
    }
  }

  // -- coming and going

  const link = createLink({
    api,
    timers,
    transport: options.transport ?? fetchStream,
    maxLength: options.maxEventLength,
    judge: options.judge,
    wanted,
    refuse,
    onStatus: () => leads() && tell(),
    onEvent: share,
    onError: failed,
  })
  api.onToken = (now, before) => {
    // It may grant other rooms.
    if (leads() && JSON.stringify(claims(now).rooms) !== JSON.stringify(claims(before).rooms)) {
      setRefused([])
      changed()
    }
    void link.renew()
  }
  // What the subscription still brings is kept: another tab may want it.
  store.wanted = (user) => host.users.has(user) || !!link.place.subscription?.users.includes(user)

  const heart = createHeart(api, timers, facts, (answer, error) => (answer ? beaten(answer) : failed(error!)))
  // Not randomUUID, which a page without TLS does not have.
  heart.session.sessionId = Array.from(crypto.getRandomValues(new Uint32Array(4)), (n) => n.toString(36)).join('-')

  const go = () => {
    ready = true
    mine = need()
    joinedByAll = union('joined')
    if (heartbeat) heart.start()
    link.update()
    tell()
  }
  const begin = async (mine: object) => {
    const backoff = createBackoff()
    let user = userId
    // Tabs may only share what is the same user's, and that is known once there is a token.
    while (api.source) {
      try {
        user ??= claims(await api.token()).sub
        break
      } catch (error) {
        if (open !== mine) return
        failed(error as PresenceError)
        setStatus('backoff')
        await new Promise<void>((resolve) => timers.set(backoff.next(), resolve))
      }
      if (open !== mine) return
    }
    if (open !== mine) return
    store.self ||= user ?? ''
    const env = typeof shareTabs === 'object' ? shareTabs : shareTabs && user ? browserTabs() : undefined
    tabs = createTabs<Message>(`presently:${api.base}:${user}`, env, timers, {
      lead() {
        tabs!.post({ ask: 'needs' })
        if (!followed) return go()
        followed = false
        if (!host.connection.stale) setStatus('stale')
        timers.set(GATHER, () => leads() && go())
      },
      follow() {
        ready = false
        heart.stop()
        link.end('suspended')
        report()
      },
      message: receive,
      gone(tab) {
        needs.delete(tab)
        changed()
      },
    })
    if (!paused) tabs.start()
  }
  const stop = (status: 'suspended' | 'closed', leave: boolean, everywhere = false) => {
    live.strokes.stopAll()
    const last = leads() && (everywhere || !tabs!.followers.size)
    if (last && leave) heart.leave()
    heart.stop()
    tabs?.stop()
    // What is left open here is for another tab to go on with, or for this one when it comes back.
    link.end(last ? status : 'suspended')
    timers.stop()
    needs.clear()
    alive = ready = false
    setStatus(status)
  }
  const awake = () => {
    if (!ready) return
    link.wake()
    heart.nudge()
  }
  const wake = () => {
    awake()
    // The one that leads may be hidden, and have no reason of its own.
    if (!leads()) tabs?.post({ ask: 'wake' })
  }
  const input = () => {
    // Of the input of somebody who is active it is enough to hear now and then.
    if (idle?.isIdle || Date.now() - reportedAt > INPUT) report()
  }
  const show = () => {
    if (!paused) return
    paused = false
    setStatus('stale')
    tabs?.start()
  }

  const live = {
    session: () => heart.session.sessionId,
    report,
    reportSoon,
    leaveRooms,

    connect(): void {
      setRefused([])
      if (open) {
        if (ready) go()
        return
      }
      unwatch = watchPage({
        visibility(hidden) {
          if (hidden) live.strokes.stopAll()
          report()
          if (!hidden) wake()
        },
        hide(persisted) {
          if (!open || paused) return
          // A page that may come back goes on with its session then.
          stop('suspended', !persisted)
          // Not before: if that is cut off, there is another chance.
          paused = true
        },
        show,
        wake,
        offline: link.doubt,
      })
      idle = new IdleDetector(input, input, { onInput: input })
      setStatus('connecting')
      void begin((open = {}))
    },

    close(everywhere = false): void {
      if (!open) return
      if (everywhere) tabs?.post({ ask: 'close' })
      open = undefined
      paused = false
      stop('closed', true, everywhere)
      unwatch!()
      idle!.stop()
      tabs = idle = undefined
      for (const { reject } of waiting.splice(0)) reject(new PresenceError('closed'))
    },

    /** Takes in what the server says of the user himself, for all tabs. */
    own(presence: Presence): Presence {
      share('presence', { presences: [presence] })
      return presence
    },

    active: (): void => idle?.input(),

    setDoing(what: Doing | undefined): void {
      // Copied, for a reactive one cannot be told to other tabs.
      doing = what && { ...what }
      doingAt = Date.now()
      report()
    },

    /** What a session is needed for waits for one, and where the server has forgotten it, for the next beat. */
    async inSession<T>(use: (sessionId: string) => Promise<T>): Promise<T> {
      const beat = () => new Promise<void>((resolve, reject) => waiting.push({ resolve, reject }))
      if (!alive) await beat()
      try {
        return await use(heart.session.sessionId)
      } catch (error) {
        if ((error as PresenceError).code !== 'no_session') throw error
        const next = beat()
        heart.nudge(true)
        if (!leads()) tabs?.post({ ask: 'beat' })
        await next
        return use(heart.session.sessionId)
      }
    },

    strokes: createStrokes((room, threadId, typing) => {
      // Nobody waits for typing that was.
      if (!alive) return
      live
        .inSession((sessionId) =>
          api.request('PUT', `/v1/rooms/${encodeURIComponent(room)}/typing`, { sessionId, typing, threadId } satisfies TypingMark, { keepalive: !typing }),
        )
        .catch(failed)
    }),
  }
  return live
}
