/**
 * The link to the server: one subscription to all that is watched, one stream of it, and what becomes of both when networks,
 * tokens, instances and laptops come and go.
 *
 *     idle → connecting → live → stale → backoff → … → closed
 *
 * `stale` tries again at once, `backoff` waits first, `suspended` waits for something to change. From live on, data is kept
 * throughout: whoever reads it is told that it is stale, and never that anybody is offline.
 */
import type { HelloEvent, Problem, ReconnectEvent, SnapshotEvent, Subscription, SubscriptionChange, SubscriptionRequest } from './api.gen.js'
import type { Api } from './api.js'
import { createBackoff, judge, type Verdict } from './backoff.js'
import { isHidden } from './page.js'
import type { StreamEvent } from './parser.js'
import { asError, problemError, type PresenceError } from './problem.js'
import type { Timers } from './timers.js'
import type { Transport } from './transport/stream.js'

/**
 * How the connection stands. `idle`: there is nothing to watch. `connecting`: there is no data yet. `live`: what is shown is
 * true. `stale`: the stream is lost or doubted, and being replaced. `backoff`: the next attempt is waited for. `suspended`:
 * offline, frozen, or refused for good. `closed`: `close()` was called.
 */
export type ConnectionStatus = 'idle' | 'connecting' | 'live' | 'stale' | 'backoff' | 'suspended' | 'closed'

/** What another tab needs to go on with the same stream. */
export interface Place {
  subscription?: Subscription | undefined
  lastEventId: string
}

/** What to watch, and whether anybody looks. */
export interface Wanted {
  users: string[]
  rooms: string[]
  quiet: boolean
}

export interface LinkOptions {
  api: Api
  timers: Timers
  transport: Transport
  maxLength: number | undefined
  /** Overrules the verdict on a status, where it returns one. */
  judge: ((error: PresenceError) => Verdict | undefined) | undefined
  wanted(): Wanted
  /** The token does not grant these rooms: from then on they are not wanted. Returns whether that is news. */
  refuse(rooms: string[]): boolean
  onStatus(status: ConnectionStatus): void
  onEvent(event: string, data: unknown, id: string): void
  onError(error: PresenceError): void
}

const OPEN = 15_000 // ms until the first event, at most
const LOOK = 10_000 // ms between looks whether the stream is alive, at most
const SLEPT = 30_000 // ms between looks after a sleep, or another jump of the clock, when streams that look open are dead
const LIVED = 10_000 // ms after which a stream was a success
const REPAIR = 2000 // ms until a change of the subscription that has failed is tried again

/** A link and the stream at its end. */
export type Link = ReturnType<typeof createLink>

export function createLink({ api, timers, transport, maxLength, judge: overrule, wanted, refuse, onStatus, onEvent, onError }: LinkOptions) {
  const backoff = createBackoff()
  // Aborted when the link has no business any more; there is at most one loop, and it is this one's.
  let loop: AbortController | undefined
  let attempt: AbortController | undefined
  let wakeUp: (() => void) | undefined
  let isLive = false
  let renewed = false
  // Why the attempt ended, where that is known: a time to come back, or a problem.
  let after: number | undefined
  let problem: PresenceError | undefined

  const set = (status: ConnectionStatus) => {
    if (status === link.status) return
    link.status = status
    onStatus(status)
  }
  const keep = (subscription?: Subscription) => {
    // Copied: other tabs may hold what they were given.
    link.place = { ...link.place, subscription }
  }
  const pathOf = ({ id }: Subscription, more = '') => `/v1/subscriptions/${encodeURIComponent(id)}${more}`
  // Gives the present attempt up, to come back after a while.
  const retry = (ms: number) => {
    after = ms
    if (isLive) set('stale')
    attempt?.abort()
  }
  const end = (status: ConnectionStatus) => {
    loop?.abort()
    attempt?.abort()
    loop = attempt = undefined
    clearTimeout(repair)
    timers.clear(watchdog)
    const { subscription } = link.place
    if (status !== 'suspended') {
      link.hadData = false
      link.place = { lastEventId: '' }
      if (subscription) api.request('DELETE', pathOf(subscription), undefined, { keepalive: true }).catch(() => {})
    }
    set(status)
  }

  // One room that is not granted refuses the whole request, but must not darken the others. The problem points to where the request named it.
  const leaveOut = ({ code, problem }: PresenceError, named: string[] = []): boolean =>
    code === 'room_not_granted' && refuse((problem?.errors ?? []).flatMap(({ pointer }) => named[+pointer.slice(pointer.lastIndexOf('/') + 1)] ?? []))

  // One change of the subscription at a time, and another if more has changed meanwhile.
  let patching: Promise<void> | undefined
  let repair: ReturnType<typeof setTimeout> | undefined
  const patch = () => {
    patching = (patching ?? Promise.resolve()).then(change, change)
  }
  const change = async () => {
    const { subscription } = link.place
    if (!subscription || !loop) return
    const body: SubscriptionChange = {}
    const { users, rooms, quiet } = wanted()
    const compare = (want: string[], have: string[], which: 'Users' | 'Rooms') => {
      const less = new Set(have)
      const more = want.filter((id) => !less.delete(id))
      if (more.length) body[`add${which}`] = more
      if (less.size) body[`remove${which}`] = [...less]
    }
    compare(users, subscription.users, 'Users')
    compare(rooms, subscription.rooms, 'Rooms')
    const mode = quiet ? 'quiet' : 'live'
    if (mode !== subscription.mode) body.mode = mode
    if (!Object.keys(body).length) return
    clearTimeout(repair)
    await api.request<Subscription>('PATCH', pathOf(subscription), body).then(changed, (error) => leaveOut(error, body.addRooms) || unchanged(error))
  }
  const changed = (subscription: Subscription) => {
    if (link.place.subscription?.id !== subscription.id) return
    keep(subscription)
    onStatus(link.status)
  }
  const unchanged = (error: PresenceError) => {
    const { status = 0, retryAfterMs = 0 } = error
    if (!loop) return
    if (status === 404 || status === 410) {
      keep()
      return retry(0)
    }
    onError(error)
    // What is no fault of the request is tried again, if nothing else does so before.
    if (!status || status === 429 || status >= 500) repair = setTimeout(patch, Math.max(REPAIR, retryAfterMs))
  }

  const event = ({ event, data: text, id }: StreamEvent) => {
    const data: unknown = JSON.parse(text)
    let live = false
    if (event === 'hello') {
      const { pingMs, resumed } = data as HelloEvent
      limit = pingMs * 2.5
      look()
      renewed = false
      // Nothing more comes of people when it goes on where it was, or is to be quiet.
      live = resumed || link.place.subscription?.mode === 'quiet'
    } else if (event === 'snapshot') {
      const { part, parts } = data as SnapshotEvent
      live = part >= parts
    } else if (event === 'tokenExpiring') {
      // Whoever hears of the new token renews the subscription.
      api.refresh('expiring').catch(onError)
    } else if (event === 'reconnect') {
      const { reason, afterMs } = data as ReconnectEvent
      after = afterMs
      // The subscription has ended with its token.
      if (reason === 'tokenExpired') keep()
    } else if (event === 'problem') {
      throw problemError(data as Problem)
    }
    onEvent(event, data, id)
    // Only now: what is cut off before this is sent again.
    link.place.lastEventId = id
    if (live) {
      link.hadData = isLive = true
      set('live')
    }
  }

  // Looks whether the stream is dead: silent for too long, or slept through.
  let heard = 0
  let limit = OPEN
  let looked = 0
  let watchdog: number | undefined
  const look = () => {
    const now = Date.now()
    const left = heard + limit - now
    // A hidden page's own timers are late by themselves.
    if (left <= 0 || (Math.abs(now - looked - LOOK) > SLEPT - LOOK && (timers.steady() || !isHidden()))) return retry(0)
    const wait = Math.min(LOOK, left)
    looked = now
    timers.clear(watchdog)
    watchdog = timers.set(wait, look)
  }

  // One attempt: a subscription where there is none, and a stream of it until that ends.
  const stream = async (mine: AbortController) => {
    if (link.place.subscription) patch()
    else {
      const { users, rooms, quiet } = wanted()
      named = rooms
      const body: SubscriptionRequest = { users, rooms, mode: quiet ? 'quiet' : 'live' }
      keep(await api.request<Subscription>('POST', '/v1/subscriptions', body, { controller: mine }))
      // What has changed while we asked.
      patch()
    }
    const { streamUrl } = link.place.subscription!
    heard = looked = Date.now()
    limit = OPEN
    look()
    await transport({
      url: streamUrl[0] === '/' ? api.base + streamUrl : streamUrl,
      lastEventId: link.place.lastEventId,
      signal: mine.signal,
      fetch: api.fetch,
      credentials: api.credentials,
      maxLength,
      onRetry: (ms) => (backoff.base = ms),
      onActivity: () => (heard = Date.now()),
      onEvent(each) {
        if (mine.signal.aborted) return
        try {
          event(each)
        } catch (error) {
          problem = asError(error, 'event')
          mine.abort()
        }
      },
    })
  }

  // The rooms of the last request for a subscription.
  let named: string[]
  // How long to wait after an attempt has ended, or undefined to give up.
  const verdict = async (error: PresenceError | undefined): Promise<number | undefined> => {
    // Ended by the server's word or by ours.
    if (after !== undefined) return after
    if (!error) return backoff.next()
    if (leaveOut(error, named)) return 0
    const what = overrule?.(error) ?? judge(error.status)
    const again = renewed
    // What is repaired here and now is nobody's trouble.
    if (again || what === 'retry' || what === 'stop') onError(error)
    if (what === 'stop' || (what === 'retry' && error.problem?.final)) return undefined
    if (what === 'retry') return backoff.next(error.retryAfterMs)
    // At once, but only once until a stream has opened.
    keep()
    renewed = true
    if (what === 'token') {
      if (again) return undefined
      try {
        await api.refresh('refused')
      } catch (error) {
        onError(error as PresenceError)
        return (error as PresenceError).status ? undefined : backoff.next()
      }
    }
    return again ? backoff.next(error.retryAfterMs) : 0
  }

  // Until the time is over, or somebody knows better.
  const pause = async (ms: number, { signal }: AbortController) => {
    set(globalThis.navigator?.onLine === false ? 'suspended' : 'backoff')
    let timer: number | undefined
    await new Promise<unknown>((resolve) => {
      timer = timers.set(ms, (wakeUp = signal.onabort = resolve as () => void))
    })
    timers.clear(timer)
    wakeUp = undefined
  }

  const run = async (mine: AbortController) => {
    const { signal } = mine
    let wait: number | undefined = 0
    do {
      wait = Math.max(wait, backoff.start())
      if (wait) await pause(wait, mine)
      if (signal.aborted) return
      set(link.hadData ? 'stale' : 'connecting')
      const trial = (attempt = new AbortController())
      const begun = Date.now()
      after = problem = undefined
      const error = await stream(trial).catch(asError)
      if (signal.aborted) return
      timers.clear(watchdog)
      trial.abort()
      attempt = undefined
      if (isLive && Date.now() - begun >= LIVED) backoff.reset()
      isLive = false
      wait = await verdict(problem ?? (error || undefined))
      if (signal.aborted) return
    } while (wait !== undefined)
    loop = undefined
    set('suspended')
  }

  const link = {
    status: 'idle' as ConnectionStatus,

    /** Where the stream is, to be handed to another tab, or taken over from one. */
    place: { lastEventId: '' } as Place,

    /** There is something to show, if only as it was. */
    hadData: false,

    /** Takes note that something else is to be watched, and starts or ends the stream accordingly. */
    update(): void {
      const { users, rooms } = wanted()
      if (!users.length && !rooms.length) end('idle')
      else if (loop) patch()
      else void run((loop = new AbortController()))
    },

    /** Now is a good moment to try, or to see whether the stream is alive. */
    wake(): void {
      if (wakeUp) wakeUp()
      else if (attempt) look()
    },

    /** The network has gone from under the stream. */
    doubt(): void {
      if (attempt) retry(0)
    },

    /** The token is another: the subscription is to live as long as it. */
    async renew(): Promise<void> {
      const { subscription } = link.place
      if (!subscription || !loop) return
      await api
        .request<Subscription>('POST', pathOf(subscription, '/renew'))
        // Without the rooms that this token does not grant it goes on.
        .then(changed, (error) => (leaveOut(error, subscription.rooms) ? patching?.then(link.renew) : unchanged(error)))
    },

    /** Ends the stream. `suspended` keeps the place in it, for later or for another tab. */
    end,
  }
  return link
}
