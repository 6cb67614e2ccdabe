/** What is known, and who is told of it. */
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { PresenceClient, PresencePacket, TypingPacket } from '../src/index.js'
import { createStore } from '../src/store.js'
import type { Presence, RoomState, SnapshotEvent } from '../src/api.gen.js'
import { clientOf, FakeServer, pass, presence } from './server.js'

let rev = 0
const person = (userId: string, status: Presence['status'] = 'online', at = ++rev): Presence => ({ userId, status, notify: true, rev: at })
const room = (members: Presence[], at = ++rev): RoomState => ({ members, count: members.length, rev: at })
const snapshot = (more: Partial<SnapshotEvent>): SnapshotEvent => ({ part: 1, parts: 1, scope: 'all', presences: [], rooms: {}, typing: {}, ...more })
const flush = () => new Promise<void>((resolve) => queueMicrotask(() => queueMicrotask(resolve)))

describe('the store', () => {
  test('drops what is not newer, of users and of rooms', () => {
    const store = createStore()
    store.presences([person('ben', 'busy', 10), person('ben', 'away', 10), person('ben', 'offline', 9)])
    expect(store.user('ben')!.status).toBe('busy')
    store.roomChanged('lobby', room([person('cyd')], 20))
    store.roomChanged('lobby', { left: ['cyd'], count: 0, rev: 20 })
    store.roomChanged('lobby', { members: [], count: 0, rev: 19 })
    expect(store.room('lobby').onlineUsers).toEqual(['cyd'])
  })

  test('ends as the newest says, in whatever order things come', () => {
    const statuses = ['online', 'away', 'busy', 'dnd', 'offline'] as const
    const events = fc.uniqueArray(fc.record({ userId: fc.constantFrom('a', 'b', '__proto__'), status: fc.constantFrom(...statuses), rev: fc.nat() }), {
      selector: (e) => e.rev,
      maxLength: 30,
    })
    fc.assert(
      fc.property(events, (events) => {
        const store = createStore()
        for (const { userId, status, rev } of events) store.presences([person(userId, status, rev)])
        for (const id of new Set(events.map((e) => e.userId))) {
          const newest = events.filter((e) => e.userId === id).reduce((a, b) => (b.rev > a.rev ? b : a))
          expect(store.user(id)!.status).toBe(newest.status)
        }
      }),
    )
  })

  test('gives the same object until something it shows changes', async () => {
    const store = createStore()
    store.roomChanged('lobby', room([person('ben')]))
    const [before, inRoom] = [store.user('ben'), store.room('lobby')]
    // The same again, of a later time: a full snapshot after a break.
    store.presences([person('ben')])
    store.snapshot(snapshot({ presences: [person('ben')], rooms: { lobby: { ...room([person('ben')]) } } }))
    expect(store.user('ben')).toBe(before)
    store.presences([person('ben', 'busy')])
    expect(store.user('ben')).not.toBe(before)
    expect(store.room('lobby')).not.toBe(inRoom)
    expect(store.room('lobby').members[0]).toBe(store.user('ben'))
    expect(store.room('unknown')).toBe(store.room('unknown'))
    expect(store.typing('unknown')).toBe(store.typing('unknown'))
  })

  test('tells listeners once for all that happened in a moment, and only of what they asked for', async () => {
    const store = createStore()
    const told: string[] = []
    store.subscribe('user', 'ben', () => told.push('ben'))
    store.subscribe('user', 'cyd', () => told.push('cyd'))
    store.subscribe('room', 'ben', () => told.push('room'))
    for (let i = 0; i < 100; i++) store.presences([person('ben', i % 2 ? 'busy' : 'away')])
    await flush()
    expect(told).toEqual(['ben'])
  })

  test('a listener that is gone is not told, even by what happened before', async () => {
    const store = createStore()
    const listener = vi.fn()
    const end = store.subscribe('user', 'ben', listener)
    store.presences([person('ben')])
    end()
    await flush()
    expect(listener).not.toHaveBeenCalled()
  })

  test('a snapshot of all replaces all, in its last part; of others, what they name', () => {
    const store = createStore()
    store.presences([person('ben'), person('cyd')])
    store.roomChanged('lobby', room([person('dan')]))
    store.snapshot(snapshot({ part: 1, parts: 2, presences: [person('ben')] }))
    expect(store.user('cyd')).toBeDefined()
    store.snapshot(snapshot({ part: 2, parts: 2, presences: [person('eve')], rooms: { hall: room([person('fay')]) } }))
    expect(['ben', 'cyd', 'dan', 'eve', 'fay'].map((id) => !!store.user(id))).toEqual([true, false, false, true, true])
    expect([store.room('lobby').isLoading, store.room('hall').onlineUsers]).toEqual([true, ['fay']])
    store.snapshot(snapshot({ scope: 'added', presences: [person('gus')], rooms: { lobby: room([]) } }))
    store.snapshot(snapshot({ scope: 'changed', presences: [person('ben', 'dnd')] }))
    expect(store.user('ben')!.status).toBe('dnd')
    expect(store.user('eve')).toBeDefined()
    expect(store.room('lobby')).toMatchObject({ isLoading: false, userCount: 0 })
  })

  test('a snapshot that was cut off takes nothing away', () => {
    const store = createStore()
    store.presences([person('ben')])
    store.snapshot(snapshot({ part: 1, parts: 2, presences: [] }))
    store.snapshot(snapshot({ part: 1, parts: 1, presences: [person('ben')] }))
    expect(store.user('ben')).toBeDefined()
  })

  test('rooms are amended, replaced, or counted', () => {
    const store = createStore()
    store.roomChanged('lobby', room([person('ben'), person('cyd')]))
    store.roomChanged('lobby', { joined: [person('dan', 'busy')], left: ['ben'], count: 2, rev: ++rev })
    expect(store.room('lobby').members.map((m) => [m.userId, m.status])).toEqual([
      ['cyd', 'online'],
      ['dan', 'busy'],
    ])
    store.roomChanged('lobby', { joined: [person('cyd')], count: 2, rev: ++rev })
    expect(store.room('lobby').onlineUsers).toEqual(['cyd', 'dan'])
    store.roomChanged('lobby', { members: [person('eve')], count: 1, rev: ++rev })
    expect(store.room('lobby').onlineUsers).toEqual(['eve'])
    store.roomChanged('lobby', { count: 501, rev: ++rev })
    expect(store.room('lobby')).toMatchObject({ onlineUsers: [], userCount: 501, isLoading: false })
  })

  test('who has left the last room and is not watched is forgotten', () => {
    const store = createStore()
    store.wanted = (user) => user === 'ben'
    store.roomChanged('lobby', room([person('ben'), person('cyd'), person('dan')]))
    store.roomChanged('hall', room([person('dan')]))
    store.roomChanged('lobby', { left: ['ben', 'cyd', 'dan'], count: 0, rev: ++rev })
    expect(['ben', 'cyd', 'dan'].map((id) => !!store.user(id))).toEqual([true, false, true])
  })

  test('ids that are names of what every object has are only ids', () => {
    const store = createStore()
    const ids = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'valueOf']
    const event = JSON.parse(`{"part":1,"parts":1,"scope":"all","presences":${JSON.stringify(ids.map((id) => person(id)))},"rooms":{"__proto__":{"members":[${JSON.stringify(person('__proto__'))}],"count":1,"rev":${++rev}}},"typing":{"__proto__":[]}}`)
    store.snapshot(event)
    for (const id of ids) expect(store.user(id)!.userId).toBe(id)
    expect(store.room('__proto__').onlineUsers).toEqual(['__proto__'])
    expect(store.roomsOf('__proto__')).toEqual(['__proto__'])
    expect(store.user('isPrototypeOf')).toBeUndefined()
    expect(({} as any).status).toBeUndefined()
    // And go to other tabs as such.
    const other = createStore()
    other.snapshot(structuredClone(store.dump(ids, ['__proto__'])))
    expect(other.room('__proto__').onlineUsers).toEqual(['__proto__'])
  })

  test('a dump is what another store needs to be the same', () => {
    const store = createStore()
    store.roomChanged('lobby', room([person('ben', 'busy'), person('cyd')]))
    store.presences([person('dan', 'offline')])
    store.roomChanged('big', { count: 1000, rev: ++rev })
    const other = createStore()
    other.presences([person('gone')])
    other.snapshot(structuredClone(store.dump(['dan'], ['lobby', 'big', 'unknown'])))
    for (const id of ['ben', 'cyd', 'dan', 'gone']) expect(other.said(id)).toEqual(store.said(id))
    expect(other.room('lobby')).toEqual(store.room('lobby'))
    expect(other.room('big')).toEqual(store.room('big'))
  })

  describe('typing', () => {
    beforeEach(() => void vi.useFakeTimers())
    afterEach(() => void vi.useRealTimers())
    const mark = (userId: string, ms = 6000) => ({ userId, expiresAt: new Date(Date.now() + ms).toISOString() })
    const who = (store: ReturnType<typeof createStore>) => store.typing('lobby').map((t) => t.userId + (t.threadId ?? ''))

    test('an event replaces the list of its room and thread', () => {
      const store = createStore()
      store.typingChanged({ room: 'lobby', typing: [mark('ben')] })
      store.typingChanged({ room: 'lobby', threadId: '1', typing: [mark('ben'), mark('cyd')] })
      store.typingChanged({ room: 'hall', typing: [mark('dan')] })
      expect(who(store)).toEqual(['ben', 'ben1', 'cyd1'])
      store.typingChanged({ room: 'lobby', threadId: '1', typing: [mark('cyd')] })
      expect(who(store)).toEqual(['ben', 'cyd1'])
      store.typingChanged({ room: 'lobby', typing: [] })
      expect(who(store)).toEqual(['cyd1'])
    })

    test('ends by itself when no stop comes, each at its time', async () => {
      const store = createStore()
      const told = vi.fn()
      store.subscribe('typing', 'lobby', told)
      store.typingChanged({ room: 'lobby', typing: [mark('ben', 2000), mark('cyd', 5000)] })
      await vi.advanceTimersByTimeAsync(2001)
      expect(who(store)).toEqual(['cyd'])
      await vi.advanceTimersByTimeAsync(3000)
      expect(who(store)).toEqual([])
      expect(told).toHaveBeenCalledTimes(3)
      expect(vi.getTimerCount()).toBe(0)
    })

    test('by the clock of the server, however wrong ours is', async () => {
      const store = createStore()
      const server = Date.now() + 3600_000
      store.setTime(new Date(server).toISOString())
      store.typingChanged({ room: 'lobby', typing: [{ userId: 'ben', expiresAt: new Date(server + 6000).toISOString() }] })
      expect(who(store)).toEqual(['ben'])
      await vi.advanceTimersByTimeAsync(6100)
      expect(who(store)).toEqual([])
    })

    test('is not shown to the one who types', () => {
      const store = createStore()
      store.self = 'ben'
      store.typingChanged({ room: 'lobby', typing: [mark('ben'), mark('cyd')] })
      expect(who(store)).toEqual(['cyd'])
    })

    test('a snapshot of all ends what it does not name', () => {
      const store = createStore()
      store.roomChanged('lobby', room([]))
      store.typingChanged({ room: 'lobby', typing: [mark('ben')] })
      store.snapshot(snapshot({ rooms: { lobby: room([]) } }))
      expect(who(store)).toEqual([])
    })
  })
})

describe('handlers', () => {
  let server: FakeServer
  let client: PresenceClient
  beforeEach(async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date', 'performance'] })
    server = new FakeServer()
    client = clientOf(server)
    client.connect()
  })
  afterEach(() => {
    client.close()
    vi.useRealTimers()
  })
  const brief = (p: PresencePacket) => `${p.initial ? '(' : ''}${p.userId} ${p.status} ${p.presence.status}${p.initial ? ')' : ''}`

  test('of a room hear who is there, who comes, changes and goes, once each', async () => {
    const packets: PresencePacket[] = []
    server.rooms.set('lobby', room([presence('ben')], ++FakeServer.rev))
    await client.onPresence('lobby', (p) => packets.push(p))
    await pass()
    server.stream.send('room', { room: 'lobby', joined: [presence('cyd', 'away')], count: 2, rev: ++FakeServer.rev }, '1')
    await pass()
    server.stream.send('presence', { presences: [presence('cyd', 'busy')] }, '2')
    await pass()
    server.stream.send('presence', { presences: [presence('cyd', 'busy')] }, '3')
    await pass()
    server.stream.send('room', { room: 'lobby', left: ['ben'], count: 1, rev: ++FakeServer.rev }, '4')
    await pass()
    expect(packets.map(brief)).toEqual(['(ben online online)', 'cyd online away', 'cyd online busy', 'ben offline online'])
    expect(packets.at(-1)).toMatchObject({ topic: 'lobby', clientId: 'ben', subscribers: ['cyd'] })
    expect(packets.at(-1)!.timestamp).toBe(Date.now())
  })

  test('hear after a break only what is different, and nothing of the break', async () => {
    const packets: PresencePacket[] = []
    server.rooms.set('lobby', room([presence('ben'), presence('cyd')], ++FakeServer.rev))
    await client.onPresence('lobby', (p) => packets.push(p))
    await pass()
    packets.length = 0
    server.rooms.set('lobby', room([presence('cyd'), presence('dan')], ++FakeServer.rev))
    server.stream.break()
    await pass(1100)
    expect(client.status).toBe('live')
    expect(packets.map(brief)).toEqual(['dan online online', 'ben offline online'])
  })

  test('that come late are told what is known', async () => {
    const first: string[] = []
    const late: string[] = []
    await client.onPresence('user:ben', (p) => first.push(brief(p)))
    await pass()
    await client.onPresence('user:ben', (p) => late.push(brief(p)))
    await pass()
    expect(late).toEqual(first)
    expect(late).toEqual(['(ben online online)'])
  })

  test('of a user hear of him as he is', async () => {
    const packets: string[] = []
    server.states.set('ben', presence('ben', 'offline'))
    await client.onPresence('user:ben', (p) => packets.push(brief(p)))
    await pass()
    for (const status of ['online', 'dnd', 'offline'] as const) {
      server.stream.send('presence', { presences: [presence('ben', status)] }, 'x')
      await pass()
    }
    expect(packets).toEqual(['(ben offline offline)', 'ben online online', 'ben online dnd', 'ben offline offline'])
  })

  test('can be taken off, one or all, and then nothing is watched', async () => {
    const a = vi.fn()
    const b = vi.fn()
    await client.onPresence('lobby', a)
    await client.onPresence('lobby', a)
    await client.onPresence('lobby', b)
    await pass()
    client.offPresence('lobby', a)
    server.stream.send('room', { room: 'lobby', joined: [presence('cyd')], count: 1, rev: ++FakeServer.rev }, '1')
    await pass()
    expect(a).not.toHaveBeenCalled()
    expect(b).toHaveBeenCalledTimes(1)
    client.clearPresenceHandlers('lobby')
    client.clearPresenceHandlers('never')
    client.offPresence('never', a)
    await pass(1600)
    expect(server.subscriptions.size).toBe(0)
  })

  test('that throw keep nobody else from hearing', async () => {
    const errors: unknown[] = []
    const b = vi.fn()
    client.addEventListener('error', (e) => errors.push(e.detail.cause))
    await client.onPresence('user:ben', () => {
      throw 'oops'
    })
    await client.onPresence('user:ben', b)
    await pass()
    expect(b).toHaveBeenCalledTimes(1)
    expect(errors).toEqual(['oops'])
    expect(client.status).toBe('live')
  })

  test('of typing hear the whole list', async () => {
    const packets: TypingPacket[] = []
    const handler = (p: TypingPacket) => packets.push(p)
    client.onTyping('lobby', handler)
    await pass()
    const typing = [{ userId: 'ben', expiresAt: new Date(Date.now() + 6000).toISOString() }]
    server.stream.send('typing', { room: 'lobby', typing }, '1')
    await pass()
    await pass(6100)
    client.offTyping('lobby', handler)
    server.stream.send('typing', { room: 'lobby', typing }, '2')
    await pass()
    expect(packets.map((p) => p.typing.map((t) => t.userId))).toEqual([['ben'], []])
  })

  test('the raw events are there to see', async () => {
    const events: string[] = []
    client.addEventListener('event', (e) => events.push(e.detail.event))
    client.watchUsers(['ben'])
    await pass()
    expect(events).toEqual(['hello', 'snapshot'])
  })

  test('the questions that the store answers', async () => {
    server.rooms.set('lobby', room([presence('ben'), presence('cyd', 'away')], ++FakeServer.rev))
    server.rooms.set('hall', room([presence('cyd', 'away')], ++FakeServer.rev))
    server.states.set('dan', presence('dan', 'offline'))
    await client.onPresence('lobby', () => {})
    await client.onPresence('hall', () => {})
    client.watchUsers(['dan', 'eve'])
    await pass()
    expect(client.getTopicUsers('lobby')).toEqual(['ben', 'cyd'])
    expect(client.getTopicUsers('user:eve')).toEqual(['eve'])
    expect(client.getTopicUsers('user:dan')).toEqual([])
    expect(client.getTopicUsers('nowhere')).toEqual([])
    expect(client.getUserTopics('cyd')).toEqual(['lobby', 'hall'])
    expect(client.getTotalActiveUsers()).toBe(3)
    expect([...client.getAllPresence().keys()].sort()).toEqual(['ben', 'cyd', 'dan', 'eve'])
    expect(['ben', 'cyd', 'dan', 'nobody'].map((id) => client.isUserOnline(id))).toEqual([true, true, false, false])
    expect(client.getPresence('nobody')).toBeUndefined()
    expect(client.userId).toBe('ada')
  })
})

describe('the methods that the documents of old named', () => {
  test('are ordinary methods of the prototype', async () => {
    const { PresenceClient } = await import('../src/index.js')
    const names =
      'connect close onPresence offPresence clearPresenceHandlers onTyping offTyping startTyping stopTyping setStatus clearStatus setCustomStatus setActivity trackPage watchUsers unwatchUsers joinRoom leaveRoom getPresence getAllPresence getTopicUsers getUserTopics getTotalActiveUsers isUserOnline sendActivityPing setPrivacy'.split(
        ' ',
      )
    for (const name of names) expect(typeof Object.getOwnPropertyDescriptor(PresenceClient.prototype, name)?.value, name).toBe('function')
    expect(new PresenceClient()).toBeInstanceOf(EventTarget)
  })
})
