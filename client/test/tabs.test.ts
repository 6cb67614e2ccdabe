/** Many tabs of one browser: one stream, one heartbeat, and whoever has them may die. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { PresenceClient, PresenceOptions } from '../src/index.js'
import { FakeBrowser, FakeTab } from './browser.js'
import { clientOf, FakeServer, pass, presence, tokenOf } from './server.js'

let server: FakeServer
let browser: FakeBrowser
let clients: PresenceClient[]

interface Open {
  client: PresenceClient
  tab: FakeTab
}

function open(options: PresenceOptions = {}): Open {
  const tab = browser.tab()
  // A dead tab asks for nothing, and a frozen one neither.
  const fetch = ((...args: Parameters<typeof globalThis.fetch>) => (tab.dead || tab.frozen ? new Promise(() => {}) : server.fetch(...args))) as typeof globalThis.fetch
  const client = clientOf(server, { shareTabs: tab, fetch, ...options })
  clients.push(client)
  client.connect()
  return { client, tab }
}

beforeEach(() => {
  vi.useFakeTimers({ now: new Date('2026-11-22T10:00:00Z'), toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'Date', 'performance'] })
  server = new FakeServer()
  browser = new FakeBrowser()
  clients = []
})

afterEach(() => {
  clients.forEach((client) => client.close())
  vi.restoreAllMocks()
  vi.useRealTimers()
})

describe('many tabs', () => {
  test('have one stream of all that any of them watches, and one heartbeat', async () => {
    const tabs = Array.from({ length: 12 }, () => open())
    tabs.forEach(({ client }, i) => client.watchUsers(['u' + i, 'everyone']))
    await pass(35_000)
    expect(server.streams).toHaveLength(1)
    expect(server.beats).toHaveLength(2)
    expect(new Set([...server.subscriptions.values()][0]!.users)).toEqual(new Set([...tabs.map((_, i) => 'u' + i), 'everyone']))
    tabs.forEach(({ client }, i) => {
      expect(client.status).toBe('live')
      expect(client.getPresence('u' + i)).toMatchObject({ status: 'online', stale: false })
    })
    server.stream.send('presence', { presences: [presence('everyone', 'dnd')] }, 'e')
    await pass()
    for (const { client } of tabs) expect(client.getPresence('everyone')!.status).toBe('dnd')
    expect(new Set(tabs.map(({ client }) => client.sessionId)).size).toBe(1)
  })

  test('and each counts only what it watches itself', async () => {
    const [a, b] = [open(), open()]
    a.client.watchUsers(['ben'])
    b.client.watchUsers(['cyd'])
    await pass()
    expect([...a.client.getAllPresence().keys()]).toEqual(['ben'])
    expect([...b.client.getAllPresence().keys()]).toEqual(['cyd'])
    expect(b.client.getTotalActiveUsers()).toBe(1)
  })

  test('one that comes late is told how things stand, from the tab that leads', async () => {
    const a = open()
    a.client.watchUsers(['ben'])
    void a.client.onPresence('lobby', () => {})
    server.rooms.set('lobby', { members: [presence('cyd', 'busy')], count: 1, rev: ++FakeServer.rev })
    await pass()
    server.stream.send('typing', { room: 'lobby', typing: [{ userId: 'cyd', expiresAt: new Date(Date.now() + 6000).toISOString() }] })
    await pass()
    const asked = server.asked.length
    const b = open()
    b.client.watchUsers(['ben'])
    void b.client.onPresence('lobby', () => {})
    await pass()
    expect(b.client.status).toBe('live')
    expect(b.client.getPresence('ben')!.status).toBe('online')
    expect(b.client.getTopicUsers('lobby')).toEqual(['cyd'])
    expect(b.client.getTyping('lobby')).toHaveLength(1)
    expect(server.asked).toHaveLength(asked)
  })

  test('of different users share nothing', async () => {
    const [a, b] = [open(), open({ getToken: () => tokenOf('ben') })]
    a.client.watchUsers(['x'])
    b.client.watchUsers(['x'])
    await pass()
    expect(server.streams).toHaveLength(2)
    expect(server.beats).toHaveLength(2)
  })

  test('are one person: active where he is active', async () => {
    const [a, b] = [open(), open()]
    await pass(100_000)
    b.client.sendActivityPing()
    await pass(20_000)
    const { idleMs } = server.beats.at(-1)!.body
    expect(idleMs).toBeLessThanOrEqual(20_000)
    expect(a.client.sessionId).toBe(b.client.sessionId)
  })

  test('are in all rooms that any of them is in, and leave one when none is', async () => {
    const [a, b] = [open(), open()]
    await pass()
    await Promise.all([a.client.joinRoom('lobby'), b.client.joinRoom('lobby'), b.client.joinRoom('hall')])
    expect(new Set(server.of('PUT', /members\/me/).map((r) => r.path))).toEqual(
      new Set(['lobby', 'hall'].map((room) => `https://presence.test/v1/rooms/${room}/members/me?sessionId=${a.client.sessionId}`)),
    )
    await pass(30_000)
    expect(new Set(server.beats.at(-1)!.body.rooms)).toEqual(new Set(['lobby', 'hall']))
    await a.client.leaveRoom('lobby')
    await pass()
    expect(server.of('DELETE', /members/)).toEqual([])
    await b.client.leaveRoom('lobby')
    await pass()
    expect(server.of('DELETE', /members/).map((r) => r.path)).toEqual([`https://presence.test/v1/rooms/lobby/members/me?sessionId=${a.client.sessionId}`])
    b.tab.kill()
    await pass()
    expect(server.of('DELETE', /members/)).toHaveLength(2)
  })

  test('tell one another of an activity, though it is an object that cannot be cloned, as a reactive one', async () => {
    const [, b] = [open(), open()]
    await pass()
    await b.client.setActivity(new Proxy({ type: 'in_call' as const, label: 'With Ben' }, {}))
    await pass(30_000)
    expect(server.beats.at(-1)!.body.activity).toEqual({ type: 'in_call', label: 'With Ben' })
  })

  test('show what the user chose in one of them in all', async () => {
    const [a, b] = [open(), open()]
    await pass()
    await b.client.setStatus('dnd')
    await pass()
    expect(a.client.getPresence('ada')!.status).toBe('dnd')
  })

  test('hear alike that a room is refused, also the one that takes over, and those to whom it is nothing do not', async () => {
    const [a, b, c] = [open(), open(), open()]
    server.granted = (room) => room !== 'secret'
    const refused: [string, string][] = []
    Object.entries({ a, b, c }).forEach(([name, { client }]) => client.addEventListener('roomRefused', ({ detail }) => refused.push([name, detail.room])))
    a.client.watchUsers(['ben'])
    void b.client.onPresence('secret', () => {})
    await pass()
    expect(refused).toEqual([['b', 'secret']])
    expect(b.client.getRoom('secret').isRefused).toBe(true)
    const asked = server.asked.length
    a.tab.kill()
    await pass(2000)
    expect([b.client.status, c.client.status]).toEqual(['idle', 'idle'])
    expect(server.asked.slice(asked).filter((r) => r.method === 'POST' && /subscriptions$/.test(r.path))).toEqual([])
    expect(refused).toHaveLength(1)
  })

  test('end together when the user logs out in one of them', async () => {
    const [a, b, c] = [open(), open(), open()]
    await pass()
    b.client.close({ everywhere: true })
    await pass()
    for (const { client } of [a, b, c]) expect(client.status).toBe('closed')
    expect(server.of('POST', /leave/)).toHaveLength(1)
    expect(server.open).toEqual([])
  })
})

describe('the tab that leads', () => {
  test('is followed at once when it crashes, in the same session, stream and rooms, with nobody flapping', async () => {
    const [a, b, c] = [open(), open(), open()]
    a.client.watchUsers(['ben'])
    b.client.watchUsers(['ben', 'cyd'])
    await pass()
    await c.client.joinRoom('lobby')
    server.stream.send('presence', { presences: [presence('cyd', 'busy')] }, 'last')
    await pass(15_000)
    const statuses: string[] = []
    b.client.addEventListener('status', (e) => statuses.push(e.detail.status))
    const asked = server.asked.length
    a.tab.kill()
    await pass(1000)
    const since = server.asked.slice(asked)
    expect(since.filter((r) => /heartbeat/.test(r.path)).map((r) => [r.body.sessionId, r.body.rooms])).toEqual([[a.client.sessionId, ['lobby']]])
    expect(since.find((r) => /heartbeat/.test(r.path))!.body.seq).toBeGreaterThan(server.beats[0]!.body.seq)
    expect(since.find((r) => /stream/.test(r.path))!.headers.get('Last-Event-ID')).toBe('last')
    expect(since.filter((r) => /subscriptions$/.test(r.path))).toEqual([])
    expect(since.filter((r) => r.method === 'DELETE')).toEqual([])
    expect(statuses).toEqual(['stale', 'live'])
    expect(b.client.getPresence('cyd')).toMatchObject({ stale: false })
    expect(c.client.status).toBe('live')
  })

  test('is followed when it is closed, and says no goodbye for the others', async () => {
    const [a, b] = [open(), open()]
    b.client.watchUsers(['ben'])
    await pass()
    a.client.close()
    await pass(1000)
    expect(server.of('POST', /leave/)).toEqual([])
    expect(server.of('DELETE', /./)).toEqual([])
    expect(b.client.status).toBe('live')
    expect(server.beats.at(-1)!.body.sessionId).toBe(b.client.sessionId)
    b.client.close()
    expect(server.of('POST', /leave/)).toHaveLength(1)
  })

  test('is replaced within two seconds when it hangs, and follows when it is back', async () => {
    const [a, b, c] = [open(), open(), open()]
    b.client.watchUsers(['ben'])
    await pass(10_000)
    const session = a.client.sessionId
    const beats = server.beats.length
    a.tab.frozen = true
    await pass(2000)
    expect(server.streams).toHaveLength(2)
    expect(server.beats).toHaveLength(beats + 1)
    expect(server.beats.at(-1)!.body.sessionId).toBe(session)
    expect([b.client.status, c.client.status]).toEqual(['live', 'live'])
    a.tab.thaw()
    await pass(5000)
    expect(server.open).toHaveLength(1)
    expect(a.client.status).toBe('live')
    const { length } = server.beats
    await pass(30_000)
    expect(server.beats.length - length).toBeLessThanOrEqual(2)
    // Still one person with one session.
    expect(new Set(server.beats.map((beat) => beat.body.sessionId))).toEqual(new Set([session]))
  })

  test('is not replaced because another tab has slept', async () => {
    const [, b] = [open(), open()]
    await pass(10_000)
    b.tab.frozen = true
    await pass(60_000)
    b.tab.thaw()
    await pass(10_000)
    expect(new Set(server.beats.map((beat) => beat.body.sessionId)).size).toBe(1)
    expect(browser.holder('presently:https://presence.test:ada')).toBe(browser.tabs[0])
  })

  test('however often it dies, there is one stream in the end', async () => {
    const tabs = Array.from({ length: 6 }, () => open())
    tabs.forEach(({ client }) => client.watchUsers(['ben']))
    await pass()
    for (let i = 0; i < 5; i++) {
      browser.holder('presently:https://presence.test:ada')!.kill()
      await pass(3000)
      expect(tabs.filter(({ tab }) => !tab.dead).map(({ client }) => client.status)).toEqual(Array(5 - i).fill('live'))
    }
    expect(new Set(server.beats.map((beat) => beat.body.sessionId)).size).toBe(1)
    expect(server.of('POST', /subscriptions$/)).toHaveLength(1)
  })

  test('hears no more of tabs that are gone', async () => {
    const [a, b] = [open(), open()]
    a.client.watchUsers(['ben'])
    b.client.watchUsers(['cyd'])
    await pass()
    b.tab.kill()
    await pass()
    expect([...server.subscriptions.values()][0]!.users).toEqual(['ben'])
    a.client.close()
    expect(server.of('POST', /leave/)).toHaveLength(1)
  })
})

describe('where tabs cannot share', () => {
  test('a page that may not have locks is on its own', async () => {
    const denied: any = { locks: { request: () => Promise.reject(new DOMException('no', 'SecurityError')) }, channel: () => ({ postMessage() {}, close() {}, onmessage: null }) }
    const { client } = open({ shareTabs: denied })
    client.watchUsers(['ben'])
    await pass()
    expect(client.status).toBe('live')
    expect(server.beats).toHaveLength(1)
  })

  test('nor one that may not have channels', async () => {
    const unhandled = vi.fn()
    process.on('unhandledRejection', unhandled)
    const denied: any = { locks: browser.tab().locks, channel() { throw new DOMException('no', 'SecurityError') } }
    const { client } = open({ shareTabs: denied })
    client.watchUsers(['ben'])
    await pass()
    process.off('unhandledRejection', unhandled)
    expect(unhandled).not.toHaveBeenCalled()
    expect(client.status).toBe('live')
  })
})
