/**
 * One tab of a browser speaks for all: it has the stream and the heartbeat, and passes on what comes.
 *
 * The tab that holds a Web Lock leads. When it is closed or crashes, the browser gives the lock to the next at once. When it
 * only hangs or is frozen, the others notice that it does not answer, and steal the lock. Where there are no Web Locks or
 * channels, every tab leads itself.
 */

import type { Timers } from './timers.js'

// Together less than the two seconds in which we promise another leader.
const EVERY = 800 // ms for which a leader may be silent before it is asked whether it lives
const ANSWER = 500 // ms that it has to say so

/** What tabs need of a browser; tests bring their own. */
export interface TabsEnvironment {
  locks: Pick<LockManager, 'request'>
  channel(name: string): Pick<BroadcastChannel, 'postMessage' | 'close' | 'onmessage'>
}

/** What is told to the one who uses it. */
export interface TabsHandlers<M> {
  lead(): void
  /** This tab follows, newly or since its lead was taken from it. */
  follow(): void
  /** Another tab says something. */
  message(message: M, from: string): void
  /** A tab that the leader has heard of was closed or has crashed. */
  gone(tab: string): void
}

interface Envelope<M> {
  from: string
  leads: boolean
  /** Absent in a question whether the leader lives, and in its answer. */
  message?: M | undefined
}

/** The browser's, where it has them. */
export function browserTabs(): TabsEnvironment | undefined {
  const locks = globalThis.navigator?.locks
  return locks && globalThis.BroadcastChannel && globalThis.document ? { locks, channel: (name) => new BroadcastChannel(name) } : undefined
}

/** One tab among others. */
export type Tabs<M> = ReturnType<typeof createTabs<M>>

/** @param timers that keep their pace in hidden tabs: where all but the leader are hidden, one of them must still notice that it hangs */
export function createTabs<M>(name: string, env: TabsEnvironment | undefined, timers: Timers, { lead, follow, message: receive, gone }: TabsHandlers<M>) {
  const me = '/' + Math.random()
  let channel: ReturnType<TabsEnvironment['channel']> | undefined
  // Aborted when this tab's place in the queue, or its lead, is over.
  let place: AbortController | undefined
  let release: (() => void) | undefined
  let die: (() => void) | undefined
  let heard = 0
  let timer: number | undefined

  const request = (lock: string, options: LockOptions, held: () => unknown) => env!.locks.request(lock, options, held as () => Promise<void>)
  const leadNow = () => {
    tabs.leads = true
    timers.clear(timer)
    lead()
  }
  function queue(steal = false) {
    place?.abort()
    const mine = (place = new AbortController())
    const led = tabs.leads
    tabs.leads = false
    tabs.followers.clear()
    heard = Date.now()
    timers.clear(timer)
    look()
    if (led) follow()
    request(name, steal ? { steal } : { signal: mine.signal }, () => place === mine && new Promise<void>((resolve) => ((release = resolve), leadNow()))).then(
      () => {},
      ({ name: error }: Error) => {
        if (place !== mine) return
        // Stolen: somebody found us dead, and we follow him. Else this page may not have locks, as a sandboxed one, and is on its own.
        if (error === 'AbortError') queue()
        else leadNow()
      },
    )
  }
  function look(): void {
    const asked = Date.now()
    // Not all at once: what one of them is answered, all hear.
    const wait = heard + EVERY * (1 + Math.random() / 4) - asked
    if (wait > 0) return void (timer = timers.set(wait, look))
    tabs.post()
    // Asked just now, for a tab that has slept itself has heard nobody either.
    timer = timers.set(ANSWER, () => (heard < asked ? queue(true) : look()))
  }
  // Every tab holds a lock of its own for as long as it lives, so that whoever gets it knows that the tab is gone.
  const watch = (tab: string) => {
    if (tabs.followers.has(tab)) return
    tabs.followers.add(tab)
    const mine = place
    request(name + tab, { signal: mine!.signal }, () => {
      if (place === mine && tabs.followers.delete(tab)) gone(tab)
    }).catch(() => {})
  }

  const tabs = {
    leads: false,

    /** Those that a leader has heard of and that are alive. */
    followers: new Set<string>(),

    start(): void {
      if (!env) return leadNow()
      try {
        channel = env.channel(name)
      } catch {
        return leadNow()
      }
      channel.onmessage = ({ data: { from, leads, message } }: MessageEvent<Envelope<M>>) => {
        if (leads) heard = Date.now()
        else if (tabs.leads) watch(from)
        if (message !== undefined) receive(message, from)
        else if (tabs.leads && !leads) tabs.post()
      }
      queue()
      request(
        name + me,
        {},
        () =>
          new Promise<void>((resolve) => {
            die = resolve
            // Not before, or the leader could take the lock and us for gone.
            if (!tabs.leads) follow()
          }),
      ).catch(() => {})
    },

    /** Hands the lead to another tab, and is heard of no more. Nothing of it keeps a page out of the back-forward cache. */
    stop(): void {
      tabs.leads = false
      timers.clear(timer)
      place?.abort()
      release?.()
      die?.()
      channel?.close()
      place = release = die = channel = undefined
      tabs.followers.clear()
    },

    /** Tells all other tabs. */
    post(message?: M): void {
      channel?.postMessage({ from: me, leads: tabs.leads, message } satisfies Envelope<M>)
    },
  }
  return tabs
}
