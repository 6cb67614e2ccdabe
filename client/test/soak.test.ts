/** Long days, and many comings and goings. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { FakeBrowser } from './browser.js'
import { clientOf, FakeServer, pass, presence, tokenOf } from './server.js'

const HOUR = 3600_000

beforeEach(() => {
  vi.useFakeTimers({ now: new Date('2026-11-22T10:00:00Z'), toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'Date', 'performance'] })
})
afterEach(() => void vi.useRealTimers())

test('a day of breaks, drains, outages, tokens and sleep: live in the end, with nothing left over and nobody ever offline', async () => {
  const server = new FakeServer()
  let tokens = 0
  const client = clientOf(server, { getToken: () => tokenOf('ada', 900, tokens++) })
  const seen = new Set<string>()
  let unhandled = 0
  const count = () => unhandled++
  process.on('unhandledRejection', count)
  void client.onPresence('user:ben', (p) => seen.add(p.presence.status))
  client.connect()
  await pass()
  let random = 7
  const chance = () => (random = (random * 16807) % 2147483647) / 2147483647
  let outage = 0
  let live = 0
  const steps = 24 * 60 * 2
  for (let i = 0; i < steps; i++) {
    await vi.advanceTimersByTimeAsync(30_000)
    await pass()
    // It lasts longer than any wait, so that each step may begin anywhere.
    if (outage && --outage === 0) server.rules = []
    server.ping()
    if (client.status === 'live') live++
    const dice = chance()
    if (dice < 0.01) server.open[0]?.break()
    else if (dice < 0.02) server.open[0]?.end()
    else if (dice < 0.03) server.open[0]?.send('reconnect', { reason: 'maxAge', afterMs: 2000 })
    else if (dice < 0.035) server.subscriptions.clear()
    else if (dice < 0.04) {
      outage = 3
      server.rules = [() => (chance() < 0.5 ? Promise.reject(new TypeError('down')) : new Response('', { status: 503 }))]
    } else if (dice < 0.045) vi.setSystemTime(Date.now() + HOUR / 2)
    else if (dice < 0.1) server.open[0]?.send('presence', { presences: [presence('ben', dice < 0.06 ? 'busy' : 'online')] }, 'e' + i)
  }
  await pass(60_000)
  expect(client.status).toBe('live')
  expect(live / steps).toBeGreaterThan(0.9)
  expect(server.open).toHaveLength(1)
  expect([...seen].sort()).toEqual(['busy', 'online'])
  // A beat each half minute, and few more.
  expect(server.beats.length).toBeGreaterThan(steps * 0.9)
  expect(server.beats.length).toBeLessThan(steps * 1.3)
  const seqs = server.beats.map((beat) => beat.body.seq)
  expect(seqs).toEqual([...seqs].sort((a, b) => a - b))
  // A handful of timers, not one more for each thing that went wrong.
  expect(vi.getTimerCount()).toBeLessThan(8)
  client.close()
  await pass(30_000)
  expect(vi.getTimerCount()).toBe(0)
  expect(server.open).toEqual([])
  process.off('unhandledRejection', count)
  expect(unhandled).toBe(0)
}, 60_000)

test('a thousand clients that come and go leave no timer, stream, lock, channel or subscription', async () => {
  const server = new FakeServer()
  const browser = new FakeBrowser()
  const tab = browser.tab()
  for (let i = 0; i < 1000; i++) {
    const client = clientOf(server, { shareTabs: tab })
    const handler = () => {}
    client.connect()
    void client.onPresence('lobby', handler)
    client.onTyping('lobby', handler)
    client.watchUsers(['ben'])
    // Some of them before they are in, some after.
    if (i % 10 === 0) await pass()
    else if (i % 3 === 0) await vi.advanceTimersByTimeAsync(1)
    client.startTyping('lobby')
    if (i % 2) client.offPresence('lobby', handler)
    client.close()
  }
  await pass(60_000)
  expect(vi.getTimerCount()).toBe(0)
  expect(server.open).toEqual([])
  expect(server.subscriptions.size).toBe(0)
  expect(browser.requests).toEqual([])
  expect(tab.channels).toEqual([])
}, 60_000)

test('a thousand watchers that come and go leave one stream, and nothing watched', async () => {
  const server = new FakeServer()
  const client = clientOf(server)
  client.connect()
  await pass()
  for (let i = 0; i < 1000; i++) {
    const ends = ['a', 'b', 'c'].map((id) => client.watch('user', id, () => {}))
    const room = client.watch('room', 'lobby', () => {})
    if (i % 10 === 0) await pass()
    for (const end of [...ends, room]) {
      end()
      end()
    }
  }
  expect(server.of('POST', /subscriptions$/)).toHaveLength(1)
  expect(server.streams).toHaveLength(1)
  await pass(2000)
  expect(client.status).toBe('idle')
  expect(client.store.user('a')).toBeUndefined()
  expect(server.subscriptions.size).toBe(0)
  client.close()
  expect(vi.getTimerCount()).toBe(0)
})
