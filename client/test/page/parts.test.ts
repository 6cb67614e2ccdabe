/** The parts that an application may use by themselves: IdleDetector, and the transport by EventSource. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { eventSourceStream, IdleDetector } from '../../src/index.js'
import { clientOf, FakeServer, pass, presence } from '../server.js'

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'Date', 'performance'] }))
afterEach(() => {
  vi.restoreAllMocks()
  vi.unstubAllGlobals()
  vi.useRealTimers()
})

describe('IdleDetector', () => {
  test('tells of idleness once, and of the return', async () => {
    const [idle, active] = [vi.fn(), vi.fn()]
    const detector = new IdleDetector(idle, active, { idleAfterMs: 60_000 })
    await vi.advanceTimersByTimeAsync(50_000)
    document.dispatchEvent(new Event('wheel'))
    await vi.advanceTimersByTimeAsync(59_000)
    expect(idle).not.toHaveBeenCalled()
    await vi.advanceTimersByTimeAsync(1000)
    expect([idle.mock.calls.length, detector.isIdle, detector.idleMs]).toEqual([1, true, 60_000])
    await vi.advanceTimersByTimeAsync(600_000)
    document.dispatchEvent(new Event('touchstart'))
    document.dispatchEvent(new Event('touchstart'))
    expect([idle.mock.calls.length, active.mock.calls.length, detector.isIdle]).toEqual([1, 1, false])
    await vi.advanceTimersByTimeAsync(60_000)
    expect(idle).toHaveBeenCalledTimes(2)
    detector.stop()
    expect(vi.getTimerCount()).toBe(0)
    document.dispatchEvent(new Event('keydown'))
    expect(active).toHaveBeenCalledTimes(1)
  })

  test('listens passively, and takes off all that it put on', () => {
    const add = vi.spyOn(document, 'addEventListener')
    const remove = vi.spyOn(document, 'removeEventListener')
    new IdleDetector().stop()
    const inputs = add.mock.calls.filter(([name]) => name !== 'visibilitychange')
    expect(inputs.every(([, , options]) => (options as AddEventListenerOptions).passive)).toBe(true)
    expect(remove.mock.calls.map(([name, listener]) => [name, listener])).toEqual(add.mock.calls.map(([name, listener]) => [name, listener]))
  })

  test('tells of input once a second, however often it comes, and of every kind of it', () => {
    const onInput = vi.fn()
    vi.setSystemTime(Date.now() + 5000)
    const detector = new IdleDetector(undefined, undefined, { onInput })
    for (const name of ['pointerdown', 'pointermove', 'keydown', 'wheel', 'touchstart']) {
      onInput.mockClear()
      for (let i = 0; i < 300; i++) {
        vi.setSystemTime(Date.now() + 10)
        document.dispatchEvent(new Event(name))
      }
      expect(onInput.mock.calls.length, name).toBe(3)
    }
    detector.stop()
  })

  test('a limit may change on the way', async () => {
    const idle = vi.fn()
    const detector = new IdleDetector(idle)
    await vi.advanceTimersByTimeAsync(20_000)
    detector.idleAfterMs = 30_000
    await vi.advanceTimersByTimeAsync(10_000)
    expect(idle).toHaveBeenCalledTimes(1)
    detector.stop()
  })

  test('a clock that is set back makes nobody idle for less than nothing', () => {
    const detector = new IdleDetector()
    vi.setSystemTime(Date.now() - 3600_000)
    expect(detector.idleMs).toBe(0)
    detector.stop()
  })
})

describe('by EventSource', () => {
  class FakeEventSource extends EventTarget {
    static all: FakeEventSource[] = []
    onopen?: () => void
    onerror?: () => void
    closed = false
    constructor(
      readonly url: string,
      readonly options: EventSourceInit,
    ) {
      super()
      FakeEventSource.all.push(this)
    }
    close() {
      this.closed = true
    }
    send(event: string, data: unknown, lastEventId = '') {
      this.dispatchEvent(Object.assign(new Event(event), { data: JSON.stringify(data), lastEventId }))
    }
  }
  const hello = (resumed = false) => ({ streamId: 's', resumed, serverTime: new Date().toISOString(), pingMs: 30_000, limits: { users: 1, rooms: 1 } })

  test('a stream opens with a ticket, says how it is refused, and goes on by its id on every break', async () => {
    FakeEventSource.all = []
    vi.stubGlobal('EventSource', FakeEventSource)
    vi.stubGlobal('Worker', undefined)
    const server = new FakeServer()
    const client = clientOf(server, { transport: eventSourceStream, shareTabs: false, heartbeat: false })
    client.watchUsers(['ben'])
    client.connect()
    await pass()
    const [first] = FakeEventSource.all
    expect(first!.url).toBe('https://presence.test/v1/stream?ticket=t-sub1&errors=stream')
    first!.onopen!()
    first!.send('hello', hello())
    first!.send('snapshot', server.snapshot(['ben'], []), 'a b')
    await pass()
    expect(client.status).toBe('live')
    first!.send('ping', { serverTime: new Date().toISOString() }, 'a b')
    first!.onerror!()
    await pass()
    expect(first!.closed).toBe(true)
    await pass(1100)
    const second = FakeEventSource.all[1]!
    expect(second.url).toBe(first!.url + '&lastEventId=a%20b')
    // Refused before it opens, as by a proxy, where native EventSource gives up.
    second.onerror!()
    await pass(2100)
    const third = FakeEventSource.all[2]!
    third.onopen!()
    third.send('problem', { type: '/x', title: 'x', status: 410, detail: 'x', code: 'subscription_gone', requestId: 'r', final: true })
    await pass()
    expect(server.of('POST', /subscriptions$/)).toHaveLength(2)
    const fourth = FakeEventSource.all[3]!
    fourth.onopen!()
    fourth.send('hello', hello())
    fourth.send('snapshot', { ...server.snapshot([], []), presences: [presence('ben', 'busy')] }, 'c')
    expect(client.getPresence('ben')!.status).toBe('busy')
    client.close()
    expect(FakeEventSource.all.every((source) => source.closed)).toBe(true)
  })
})
