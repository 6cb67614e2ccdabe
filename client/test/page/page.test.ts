/** What a page goes through: hidden, shown, idle, left, frozen, put away and brought back. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { PresenceError, type PresenceClient } from '../../src/index.js'
import { SOURCE } from '../../src/timers.js'
import { FakeBrowser } from '../browser.js'
import { clientOf, FakeServer, pass } from '../server.js'

let server: FakeServer
let client: PresenceClient

const start = (options: Parameters<typeof clientOf>[1] = {}) => {
  client = clientOf(server, { shareTabs: false, ...options })
  client.connect()
  return client
}

let visibility: DocumentVisibilityState = 'visible'
const show = (state: DocumentVisibilityState) => {
  visibility = state
  document.dispatchEvent(new Event('visibilitychange'))
}
const input = (name = 'keydown') => document.dispatchEvent(new Event(name))
const transition = (name: string, persisted = false) => window.dispatchEvent(Object.assign(new Event(name), { persisted }))

beforeEach(() => {
  vi.useFakeTimers({ now: new Date('2026-11-22T10:00:00Z'), toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'Date', 'performance'] })
  vi.spyOn(document, 'visibilityState', 'get').mockImplementation(() => visibility)
  vi.stubGlobal('Worker', undefined)
  vi.stubGlobal(
    'Request',
    class {
      // happy-dom's has none.
      get keepalive() {
        return false
      }
    },
  )
  visibility = 'visible'
  server = new FakeServer()
})

afterEach(() => {
  client?.close()
  vi.restoreAllMocks()
  vi.unstubAllGlobals()
  vi.useRealTimers()
})

describe('heartbeats', () => {
  test('come when the server says, with a growing seq, for one session', async () => {
    start()
    await pass()
    expect(server.beats).toHaveLength(1)
    server.nextMs = 12_345
    await pass(30_000)
    expect(server.beats).toHaveLength(2)
    await pass(12_344)
    expect(server.beats).toHaveLength(2)
    await pass(1)
    const bodies = server.beats.map((beat) => beat.body)
    expect(bodies).toHaveLength(3)
    expect(bodies[0].sessionId).toMatch(/^[A-Za-z0-9_-]{8,64}$/)
    expect(new Set(bodies.map((body) => body.sessionId)).size).toBe(1)
    expect(bodies[1].seq).toBeGreaterThan(bodies[0].seq)
    expect(bodies[2].seq).toBeGreaterThan(bodies[1].seq)
    // What is absent is not sent: the server reads strictly.
    expect(Object.keys(bodies[0]).sort()).toEqual(['device', 'idleMs', 'seq', 'sessionId', 'visibility'])
  })

  test('do not run backwards with the clock', async () => {
    start()
    await pass()
    vi.setSystemTime(Date.now() - 3600_000)
    await pass(30_000)
    expect(server.beats[1]!.body.seq).toBeGreaterThan(server.beats[0]!.body.seq)
  })

  test('tell for how long there was no input, and a mouse that moves a hundred times sends none', async () => {
    start()
    await pass(20_000)
    input()
    await pass(10_000)
    expect(server.beats.at(-1)!.body.idleMs).toBe(10_000)
    await pass(30_000)
    expect(server.beats.at(-1)!.body.idleMs).toBe(40_000)
    const beats = server.beats.length
    for (let i = 0; i < 100; i++) input('pointermove')
    await pass()
    expect(server.beats).toHaveLength(beats)
  })

  test('come at once when somebody becomes idle, and when he is back', async () => {
    start()
    server.nextMs = 1_000_000
    await pass(299_000)
    expect(server.beats).toHaveLength(1)
    await pass(1100)
    expect(server.beats).toHaveLength(2)
    expect(server.beats[1]!.body.idleMs).toBeGreaterThanOrEqual(300_000)
    await pass(60_000)
    expect(server.beats).toHaveLength(2)
    input()
    await pass()
    expect(server.beats).toHaveLength(3)
    expect(server.beats[2]!.body.idleMs).toBe(0)
  })

  test('come at once when the page is hidden or shown, but not for a glance', async () => {
    start()
    await pass(10_000)
    show('hidden')
    await pass()
    expect(server.beats.map((b) => b.body.visibility)).toEqual(['visible', 'hidden'])
    show('visible')
    show('hidden')
    await pass(2100)
    expect(server.beats).toHaveLength(2)
    show('visible')
    await pass()
    expect(server.beats.map((b) => b.body.visibility)).toEqual(['visible', 'hidden', 'visible'])
  })

  test('are single: a slow one is waited for, then given up', async () => {
    start()
    await pass()
    let hang = true
    server.rules.push((a) => (hang && /heartbeat/.test(a.path) ? new Promise(() => {}) : undefined))
    await pass(30_000)
    expect(server.beats).toHaveLength(2)
    show('hidden')
    show('visible')
    client.sendActivityPing()
    await pass(9000)
    expect(server.beats).toHaveLength(2)
    hang = false
    await pass(2500)
    expect(server.beats).toHaveLength(3)
    expect(server.beats[1]!.signal!.aborted).toBe(true)
  })

  test('are given up before the next is due, however short the interval', async () => {
    server.nextMs = 4000
    start()
    await pass()
    server.rules.push((a) => (/heartbeat/.test(a.path) && server.beats.length === 2 ? new Promise(() => {}) : undefined))
    await pass(4000)
    expect(server.beats).toHaveLength(2)
    await pass(3900)
    expect(server.beats[1]!.signal!.aborted).toBe(true)
    await pass(1100)
    expect(server.beats.length).toBeGreaterThanOrEqual(3)
    expect(server.beats[2]!.body.seq).toBeGreaterThan(server.beats[1]!.body.seq)
  })

  test.each(['', '{}', '{"nextMs":0}', '"x"', 'null'])('answered with %j, as by something between, are failures and no storm', async (body) => {
    const errors: unknown[] = []
    server.rules.push((a) => (/heartbeat/.test(a.path) ? new Response(body) : undefined))
    start()
    client.addEventListener('error', ({ detail }) => errors.push(detail))
    await pass(20_000)
    expect(server.beats.length).toBeLessThanOrEqual(3)
    expect(errors.length).toBe(server.beats.length)
    for (const error of errors) expect(error).toBeInstanceOf(PresenceError)
  })

  test('a page that is loaded anew is another session', async () => {
    const first = start()
    await pass()
    const second = clientOf(server, { shareTabs: false })
    second.connect()
    await pass()
    expect(second.sessionId).not.toBe(first.sessionId)
    second.close()
  })

  test('that fail are tried again once soon, and then with patience', async () => {
    server.refuse('POST', /heartbeat/, 503)
    start()
    await pass(1100)
    expect(server.beats).toHaveLength(2)
    await pass(13_500)
    expect(server.beats).toHaveLength(2)
    await pass(17_000)
    expect(server.beats.length).toBe(3)
  })

  test('wait as long as the server asks, whatever happens on the page', async () => {
    server.refuse('POST', /heartbeat/, 429, 'rate_limited', 1, { 'Retry-After': '20' })
    start()
    await pass()
    for (let i = 0; i < 19; i++) {
      show(i % 2 ? 'visible' : 'hidden')
      await pass(1000)
    }
    expect(server.beats).toHaveLength(1)
    await pass(3500)
    expect(server.beats).toHaveLength(2)
  })

  test('without the right to beat there are no more', async () => {
    server.refuse('POST', /heartbeat/, 403, 'insufficient_scope')
    start()
    await pass(600_000)
    expect(server.beats).toHaveLength(1)
  })

  test('that have failed get through as soon as the stream does', async () => {
    server.refuse('POST', /heartbeat/, 0, '', 2)
    start()
    client.watchUsers(['ben'])
    await pass(2000)
    expect(server.beats).toHaveLength(2)
    server.stream.break()
    await pass(4000)
    const { length } = server.beats
    expect(length).toBeGreaterThanOrEqual(3)
    await pass(10_000)
    expect(server.beats).toHaveLength(length)
  })

  test('come at once when the stream is back and does not go on where it was: the server may have forgotten all', async () => {
    start()
    client.watchUsers(['ben'])
    await pass(5000)
    expect(server.beats).toHaveLength(1)
    server.stream.break()
    await pass(1100)
    expect(client.status).toBe('live')
    expect(server.beats).toHaveLength(2)
    server.greets = false
    server.stream.break()
    await pass(5000)
    server.hello(server.stream, undefined, true)
    await pass(5000)
    expect(client.status).toBe('live')
    expect(server.beats).toHaveLength(2)
  })

  test('whoever only watches sends none', async () => {
    start({ heartbeat: false })
    client.watchUsers(['ben'])
    await pass(100_000)
    expect(server.beats).toEqual([])
    client.close()
    expect(server.of('POST', /leave/)).toEqual([])
  })
})

describe('a client that is closed', () => {
  test('has taken off every listener that it put on the page', async () => {
    const targets: [string, EventTarget][] = [['window', window], ['document', document]]
    const open = new Set<string>()
    for (const [name, target] of targets) {
      const count = (type: string, listener: unknown, change: (key: string) => void) => change([name, type, ids.get(listener) ?? ids.set(listener, ids.size).size - 1].join())
      const ids = new Map<unknown, number>()
      const [add, remove] = [target.addEventListener.bind(target), target.removeEventListener.bind(target)]
      vi.spyOn(target, 'addEventListener').mockImplementation((...args: any[]) => (count(args[0], args[1], (key) => open.add(key)), (add as any)(...args)))
      vi.spyOn(target, 'removeEventListener').mockImplementation((...args: any[]) => (count(args[0], args[1], (key) => open.delete(key)), (remove as any)(...args)))
    }
    for (let i = 0; i < 100; i++) {
      start()
      client.watchUsers(['ben'])
      if (i % 3) await pass()
      if (i === 1) expect(open.size).toBeGreaterThan(12)
      client.close()
    }
    expect([...open]).toEqual([])
  })
})

describe('leaving the page', () => {
  test('says so once, with nothing but the key, and in a way that outlives the page', async () => {
    start()
    await pass()
    transition('pagehide')
    const [leave, ...others] = server.of('POST', /leave$/)
    expect(others).toEqual([])
    expect(leave!.keepalive).toBe(true)
    expect(leave!.body).toBe(`leave-${client.sessionId}-${server.beats[0]!.body.seq}`)
    expect([...leave!.headers.keys()]).toEqual([])
    await pass(100_000)
    expect(server.beats).toHaveLength(1)
    expect(server.open).toEqual([])
  })

  // Seen in Firefox: when a window was closed on a busy machine, one in three said nothing, because the script that ran was cut off.
  test('says so also when the browser cuts off the script that is about to', async () => {
    const add = vi.spyOn(window, 'addEventListener')
    start()
    await pass()
    let cut = 0
    const has = () => {
      if (!cut++) throw new Error('cut off')
      return true
    }
    vi.stubGlobal('Request', { prototype: new Proxy({}, { has }) })
    // As a browser does it: one listener after the other, whatever becomes of each.
    for (const [name, listener] of add.mock.calls) {
      try {
        if (name === 'pagehide') (listener as EventListener)(Object.assign(new Event(name), { persisted: false }))
      } catch {}
    }
    expect(cut).toBeGreaterThan(0)
    expect(server.of('POST', /leave$/)).toHaveLength(1)
    expect([client.status, server.open.length]).toEqual(['suspended', 0])
  })

  test('by a beacon, where fetch cannot outlive the page', async () => {
    const sendBeacon = vi.fn(() => true)
    vi.stubGlobal('Request', class {})
    navigator.sendBeacon = sendBeacon
    start()
    await pass()
    transition('pagehide')
    expect(sendBeacon.mock.calls).toEqual([['https://presence.test/v1/presence/leave', `leave-${client.sessionId}-${server.beats[0]!.body.seq}`]])
  })

  test('takes a beat that is on its way along, so that it does not bring the session back', async () => {
    start()
    await pass()
    server.rules.push((a) => (/heartbeat/.test(a.path) ? new Promise(() => {}) : undefined))
    await pass(30_000)
    transition('pagehide')
    expect(server.beats[1]!.signal!.aborted).toBe(true)
  })

  test('hiding it is not leaving', async () => {
    start()
    await pass()
    show('hidden')
    await pass(100_000)
    expect(server.of('POST', /leave/)).toEqual([])
    expect(server.beats.length).toBeGreaterThan(3)
  })

  test('never listens to unload, which would keep the page out of the back-forward cache', async () => {
    const add = vi.spyOn(window, 'addEventListener')
    start()
    await pass()
    const names = add.mock.calls.map(([name]) => name)
    expect(names).toContain('pagehide')
    expect(names).not.toContain('unload')
    expect(names).not.toContain('beforeunload')
  })

  test('into the back-forward cache is no leave, and coming back goes on at once', async () => {
    start()
    client.watchUsers(['ben'])
    await pass()
    server.stream.send('presence', { presences: [] }, 'here')
    await pass()
    transition('pagehide', true)
    expect(client.status).toBe('suspended')
    expect(client.getPresence('ben')).toMatchObject({ status: 'online', stale: true })
    await pass()
    expect(server.open).toEqual([])
    expect(server.of('POST', /leave/)).toEqual([])
    expect(vi.getTimerCount()).toBeLessThanOrEqual(1) // the IdleDetector's
    const { length } = server.asked
    await pass(50_000)
    expect(server.asked).toHaveLength(length)
    transition('pageshow', true)
    await pass()
    expect(client.status).toBe('live')
    expect(server.stream.asked.headers.get('Last-Event-ID')).toBe('here')
    expect(server.subscriptions.size).toBe(1)
    expect(server.beats).toHaveLength(2)
    expect(server.beats[1]!.body.sessionId).toBe(server.beats[0]!.body.sessionId)
    expect(server.beats[1]!.body.seq).toBeGreaterThan(server.beats[0]!.body.seq)
  })

  test('a frozen page lets go of its stream, and takes it up when it thaws', async () => {
    start()
    client.watchUsers(['ben'])
    await pass()
    document.dispatchEvent(new Event('freeze'))
    await pass()
    expect(server.open).toEqual([])
    document.dispatchEvent(new Event('resume'))
    await pass()
    expect(client.status).toBe('live')
    expect(server.open).toHaveLength(1)
  })
})

describe('the network', () => {
  test('that goes is no reason to call anybody offline; that comes back is one to try at once', async () => {
    const onLine = vi.spyOn(navigator, 'onLine', 'get').mockReturnValue(true)
    start()
    client.watchUsers(['ben'])
    await pass()
    onLine.mockReturnValue(false)
    server.refuse('GET', /./, 0)
    window.dispatchEvent(new Event('offline'))
    await pass()
    expect(client.status).toBe('suspended')
    expect(client.getPresence('ben')).toMatchObject({ status: 'online', stale: true })
    await pass(60_000)
    onLine.mockReturnValue(true)
    server.rules = []
    await pass()
    window.dispatchEvent(new Event('online'))
    await pass()
    expect(client.status).toBe('live')
  })

  test.each(['shown', 'of another kind'])('a page that is %s ends a wait', async (how) => {
    const connection = new EventTarget()
    Object.defineProperty(navigator, 'connection', { value: connection, configurable: true })
    vi.spyOn(Math, 'random').mockReturnValue(0.99)
    visibility = 'hidden'
    start()
    client.watchUsers(['ben'])
    server.refuse('POST', /subscriptions/, 503, 'x', 5)
    await pass(16_000)
    expect(client.status).toBe('backoff')
    if (how === 'shown') show('visible')
    else connection.dispatchEvent(new Event('change'))
    await pass()
    expect(client.status).toBe('live')
    delete (navigator as { connection?: unknown }).connection
  })

  test('a wait of the tab that leads is ended by any other that wakes', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(0.99)
    const browser = new FakeBrowser()
    start({ shareTabs: browser.tab() })
    client.watchUsers(['ben'])
    server.refuse('POST', /subscriptions/, 503, 'x', 5)
    await pass(1000)
    // An event that only the other tab hears.
    const connection = new EventTarget()
    Object.defineProperty(navigator, 'connection', { value: connection, configurable: true })
    const other = clientOf(server, { shareTabs: browser.tab() })
    other.connect()
    await pass(15_000)
    expect([client.status, other.status]).toEqual(['backoff', 'backoff'])
    connection.dispatchEvent(new Event('change'))
    await pass()
    expect([client.status, other.status]).toEqual(['live', 'live'])
    other.close()
    delete (navigator as { connection?: unknown }).connection
  })

  test.each(['focus', 'online'])('%s ends a wait', async (name) => {
    vi.spyOn(Math, 'random').mockReturnValue(0.99)
    start()
    client.watchUsers(['ben'])
    server.refuse('POST', /subscriptions/, 503, 'x', 5)
    await pass(16_000)
    expect(client.status).toBe('backoff')
    window.dispatchEvent(new Event(name))
    await pass()
    expect(client.status).toBe('live')
  })
})

describe('a page that nobody looks at', () => {
  test('asks for silence, and for news when it is shown', async () => {
    start()
    client.watchUsers(['ben'])
    await pass()
    show('hidden')
    await pass()
    show('visible')
    await pass()
    expect(server.of('PATCH', /./).map((a) => a.body)).toEqual([{ mode: 'quiet' }, { mode: 'live' }])
    expect(server.streams).toHaveLength(1)
  })

  test('does not type', async () => {
    start()
    await pass()
    client.startTyping('lobby')
    await pass()
    show('hidden')
    await pass()
    expect(server.of('PUT', /typing$/).map((a) => a.body.typing)).toEqual([true, false])
  })

  test('unless it would rather hear', async () => {
    start({ quietWhenHidden: false })
    client.watchUsers(['ben'])
    await pass()
    show('hidden')
    await pass()
    expect(server.of('PATCH', /./)).toEqual([])
  })

  test('is live, though silent, when it comes back quiet', async () => {
    visibility = 'hidden'
    start()
    client.watchUsers(['ben'])
    await pass()
    expect(server.of('POST', /subscriptions$/)[0]!.body.mode).toBe('quiet')
    expect(client.status).toBe('live')
  })

  test('and whose timers are slow is not taken for asleep', async () => {
    start()
    client.watchUsers(['ben'])
    await pass()
    show('hidden')
    await pass()
    for (let i = 0; i < 5; i++) {
      // A minute goes by in which a timer of ten seconds fires once.
      vi.setSystemTime(Date.now() + 45_000)
      server.ping()
      await pass(15_000)
    }
    expect(server.streams).toHaveLength(1)
  })
})

describe('timers in a Worker', () => {
  class FakeWorker {
    static all: FakeWorker[] = []
    onmessage?: (event: { data: number }) => void
    onerror?: () => void
    terminated = false
    timers = new Map<number, ReturnType<typeof setTimeout>>()
    constructor(readonly url: string) {
      FakeWorker.all.push(this)
    }
    postMessage([id, ms]: [number, number]) {
      clearTimeout(this.timers.get(id))
      this.timers.delete(id)
      if (ms >= 0) this.timers.set(id, setTimeout(() => this.onmessage?.({ data: id }), ms))
    }
    terminate() {
      this.terminated = true
      this.timers.forEach((timer) => clearTimeout(timer))
    }
  }

  beforeEach(() => {
    FakeWorker.all = []
    vi.stubGlobal('Worker', FakeWorker)
  })

  test('one of them drives heartbeats and stream, and ends with the client', async () => {
    start()
    client.watchUsers(['ben'])
    await pass(65_000)
    expect(FakeWorker.all).toHaveLength(1)
    expect(FakeWorker.all[0]!.url).toMatch(/^blob:/)
    expect(server.beats).toHaveLength(3)
    client.close()
    expect(FakeWorker.all[0]!.terminated).toBe(true)
  })

  test('where the policy of the page refuses it later, the page goes on by itself', async () => {
    start()
    await pass(10_000)
    FakeWorker.all[0]!.timers.forEach((timer) => clearTimeout(timer))
    FakeWorker.all[0]!.onerror!()
    await pass(20_000)
    expect(server.beats).toHaveLength(2)
    await pass(30_000)
    expect(server.beats).toHaveLength(3)
    expect(FakeWorker.all).toHaveLength(1)
  })

  // The tabs' own timers come once a minute then, and two of them have to run out: the user would be gone for others.
  test('notices that the tab that leads hangs, though all others are hidden and their own timers slow', async () => {
    visibility = 'hidden'
    const browser = new FakeBrowser()
    const frozen = browser.tab()
    const dead = ((...args: Parameters<typeof fetch>) => (frozen.frozen ? new Promise(() => {}) : server.fetch(...args))) as typeof fetch
    start({ shareTabs: frozen, fetch: dead })
    const other = clientOf(server, { shareTabs: browser.tab() })
    other.connect()
    await pass(10_000)
    expect(server.beats).toHaveLength(1)
    const own = setTimeout
    // The Worker's are as they were.
    vi.stubGlobal('setTimeout', (run: () => void, ms: number, ...args: []) => own(run, new Error().stack!.includes('postMessage') ? ms : Math.max(60_000, ms), ...args))
    await pass(60_000)
    const { length } = server.beats
    frozen.frozen = true
    await pass(2000)
    expect(server.beats).toHaveLength(length + 1)
    expect(server.beats.at(-1)!.body.sessionId).toBe(server.beats[0]!.body.sessionId)
    other.close()
  })

  test('and where it refuses it at once, too', async () => {
    vi.stubGlobal(
      'Worker',
      class {
        constructor() {
          throw new DOMException('no', 'SecurityError')
        }
      },
    )
    start()
    await pass(60_000)
    expect(server.beats).toHaveLength(3)
  })

  test('the code of the Worker sets and clears', async () => {
    const posted: number[] = []
    const worker = new Function('postMessage', SOURCE + ';return m=>onmessage({data:m})')((id: number) => posted.push(id)) as (m: [number, number]) => void
    worker([1, 100])
    worker([2, 200])
    worker([3, 300])
    worker([2, -1])
    worker([3, 50])
    await pass(60)
    expect(posted).toEqual([3])
    await pass(1000)
    expect(posted).toEqual([3, 1])
    delete (globalThis as { onmessage?: unknown }).onmessage
  })
})
