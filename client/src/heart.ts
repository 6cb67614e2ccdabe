/**
 * Heartbeats of one session: the only proof that somebody is here.
 *
 * The server says when the next is due, jitter included. There is one at a time, with the facts of its moment: a beat that is
 * late is not sent later. `seq` orders them, so that one which is overtaken on its way changes nothing; it is never less than
 * the time in milliseconds, so that a tab which takes a session over goes on above what the last one sent.
 */
import type { Beat, BeatAnswer } from './api.gen.js'
import type { Api } from './api.js'
import { PresenceError } from './problem.js'
import type { Timers } from './timers.js'

const GAP = 2000 // ms between beats; the server allows a few quick ones, not a storm
const AGAIN = 1000 // ms until a failed beat is tried again, once
const AFTER = 30_000 // ms until the next where the server did not say
const SHARE = 0.9 // of the time until the next beat, after which one that hangs is given up

/** What a beat says, but for its session and place. */
export type Facts = Omit<Beat, 'sessionId' | 'seq'>

/** What tabs hand on to one another when another takes over the session. */
export interface Session {
  sessionId: string
  seq: number
  leaveToken?: string | undefined
  idleAfterMs?: number
}

export type Heart = ReturnType<typeof createHeart>

/** @param done told when a beat was answered or has failed */
export function createHeart(api: Api, timers: Timers, facts: () => Facts, done: (answer?: BeatAnswer, error?: PresenceError) => void) {
  let timer: number | undefined
  let soon: number | undefined
  let due = 0
  let notBefore = 0
  let said = ''
  let failures = 0
  let every = AFTER
  let flight: AbortController | undefined
  let again = false
  let running = false

  // What is worth a beat of its own. Rooms and activities have requests of their own, and come along.
  const gist = ({ visibility, idleMs }: Facts) => visibility! + (idleMs! >= heart.session.idleAfterMs!)

  const beat = async () => {
    timers.clear(timer)
    timers.clear(soon)
    const mine = (flight = new AbortController())
    const { session } = heart
    const now = facts()
    notBefore = Date.now() + GAP
    session.seq = Math.max(session.seq + 1, Date.now())
    let wait: number
    try {
      const { sessionId, seq } = session
      const answer = await api.request<BeatAnswer>('POST', '/v1/presence/heartbeat', { ...now, sessionId, seq } satisfies Beat, { controller: mine, timeoutMs: every * SHARE })
      if (flight !== mine) return
      // Something between has answered, such as a captive portal.
      if (!(answer?.nextMs > 0 && answer.presence)) throw new PresenceError('network')
      const { idleAfterMs, leaveToken, nextMs } = answer
      Object.assign(session, { idleAfterMs, leaveToken })
      failures = 0
      said = gist(now)
      wait = every = nextMs
      done(answer)
    } catch (error) {
      if (flight !== mine) return
      const { status, retryAfterMs = 0 } = error as PresenceError
      wait = Math.max(retryAfterMs, (0.5 + Math.random() / 2) * (failures++ ? AFTER : AGAIN))
      notBefore += retryAfterMs
      said = ''
      // Without the right to beat, or with a beat that is none, more of them help nobody.
      if (status === 400 || status === 403) running = false
      done(undefined, error as PresenceError)
    }
    flight = undefined
    due = Date.now() + wait
    if (!running) return
    timer = timers.set(wait, beat)
    if (again) heart.nudge()
    again = false
  }

  const heart = {
    /** The session that beats. */
    session: { sessionId: '', seq: 0 } as Session,

    /** Begins to beat, at once. */
    start(): void {
      if (running) return
      running = true
      void beat()
    },

    /** Stops beating, without a word. */
    stop(): void {
      running = again = false
      timers.clear(timer)
      timers.clear(soon)
      flight?.abort()
      flight = undefined
      said = ''
    },

    /** Beats soon where the last beat said something else, or is overdue, as after a sleep. */
    nudge(force = false): void {
      if (!running) return
      if (flight) again = true
      else if (force || Date.now() >= due || gist(facts()) !== said) {
        const wait = notBefore - Date.now()
        timers.clear(soon)
        if (wait <= 0) void beat()
        // By then all may be as it was: a page hidden and shown again is not worth a beat.
        else soon = timers.set(wait, () => heart.nudge(force))
      }
    },

    /** Tells the server that the session ends, in a way that outlives the page. */
    leave(): void {
      heart.stop()
      const body = heart.session.leaveToken
      if (!body) return
      const url = api.base + '/v1/presence/leave'
      // As text, for which no browser asks the server's leave first. A beacon only where fetch cannot outlive the page: blockers like to drop beacons.
      if ('keepalive' in Request.prototype) api.fetch(url, { method: 'POST', body, keepalive: true }).catch(() => {})
      else navigator.sendBeacon(url, body)
      heart.session.leaveToken = undefined
    },
  }
  return heart
}
