import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { judge, type Connection, type PresenceClient, type PresenceError } from '../src/index.js'
import { clientOf, FakeServer, pass, presence, tokenOf } from './server.js'

let server: FakeServer
let client: PresenceClient
let statuses: string[]
let errors: PresenceError[]

function start(options: Parameters<typeof clientOf>[1] = {}): PresenceClient {
  client = clientOf(server, options)
  statuses = []
  errors = []
  client.addEventListener('status', (e) => statuses.push(e.detail.status))
  client.addEventListener('error', (e) => errors.push(e.detail))
  client.connect()
  return client
}

beforeEach(() => {
  vi.useFakeTimers({ now: new Date('2026-11-22T10:00:00Z'), toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'Date', 'performance'] })
  // Without jitter: the bound of each wait.
  vi.spyOn(Math, 'random').mockReturnValue(0.999999)
  server = new FakeServer()
})

afterEach(() => {
  client?.close()
  vi.restoreAllMocks()
  vi.useRealTimers()
})

describe('coming in', () => {
  test('one subscription to all that is watched, and a stream of it by its ticket', async () => {
    start()
    client.watchUsers(['ben', 'cyd'])
    void client.onPresence('lobby', () => {})
    void client.onPresence('user:dan', () => {})
    await pass()
    const [made, ...others] = server.of('POST', /subscriptions$/)
    expect(others).toEqual([])
    expect(made!.body).toEqual({ users: ['ben', 'cyd', 'dan'], rooms: ['lobby'], mode: 'live' })
    expect(made!.headers.get('Authorization')).toBe('Bearer ' + tokenOf('ada'))
    expect(server.streams).toHaveLength(1)
    expect(server.stream.asked.path).toBe('https://presence.test/v1/stream?ticket=t-sub1')
    expect(server.stream.asked.headers.get('Accept')).toBe('text/event-stream')
    expect(statuses).toEqual(['connecting', 'live'])
    expect(client.getPresence('ben')).toMatchObject({ status: 'online', stale: false })
  })

  test('nothing to watch is no stream, only heartbeats', async () => {
    start()
    await pass()
    expect(server.beats).toHaveLength(1)
    expect(server.streams).toEqual([])
    expect(client.status).toBe('idle')
  })

  test('what is watched later is patched in, in one request for all of a moment', async () => {
    start()
    client.watchUsers(['ben'])
    await pass()
    client.watchUsers(['cyd'])
    client.watchUsers(['dan'])
    void client.onPresence('lobby', () => {})
    await pass()
    expect(server.of('PATCH', /./).map((a) => a.body)).toEqual([{ addUsers: ['cyd', 'dan'], addRooms: ['lobby'] }])
    expect(client.getPresence('dan')).toMatchObject({ status: 'online' })
    expect(server.streams).toHaveLength(1)
  })

  test('what nobody watches any more is let go after a moment, and forgotten', async () => {
    start()
    client.watchUsers(['ben', 'cyd'])
    await pass()
    client.unwatchUsers(['cyd'])
    await pass(1000)
    client.watchUsers(['cyd'])
    await pass(5000)
    expect(server.of('PATCH', /./)).toEqual([])
    client.unwatchUsers(['cyd'])
    await pass(1600)
    expect(server.of('PATCH', /./).map((a) => a.body)).toEqual([{ removeUsers: ['cyd'] }])
    expect(client.getPresence('cyd')).toBeUndefined()
    expect(client.getPresence('ben')).toBeDefined()
  })

  test('when nothing is watched any more the stream and the subscription end', async () => {
    start()
    client.watchUsers(['ben'])
    await pass()
    client.unwatchUsers(['ben'])
    await pass(1600)
    expect(server.open).toEqual([])
    expect(server.subscriptions.size).toBe(0)
    expect(client.status).toBe('idle')
    client.watchUsers(['ben'])
    await pass()
    expect(client.status).toBe('live')
  })

  test('changes while another change is on its way are sent after it', async () => {
    start()
    client.watchUsers(['ben'])
    await pass()
    let answer!: () => void
    server.rules.push((a) => (a.method === 'PATCH' && a.body.addUsers?.[0] === 'cyd' ? new Promise((r) => (answer = () => r((server as any).answer(a)))) : undefined))
    client.watchUsers(['cyd'])
    await pass()
    client.watchUsers(['dan'])
    await pass()
    expect(server.of('PATCH', /./)).toHaveLength(1)
    answer()
    await pass()
    expect(server.of('PATCH', /./).map((a) => a.body)).toEqual([{ addUsers: ['cyd'] }, { addUsers: ['dan'] }])
  })
})

describe('losing the stream', () => {
  test('people become stale, never offline, and the stream goes on by its id', async () => {
    start()
    const packets: string[] = []
    void client.onPresence('user:ben', (p) => packets.push(p.status + ' ' + p.presence.status))
    await pass()
    server.stream.send('presence', { presences: [presence('ben', 'busy')] }, 'last')
    await pass()
    server.stream.break()
    await pass()
    expect(client.status).toBe('backoff')
    expect(client.connection.stale).toBe(true)
    expect(client.getPresence('ben')).toMatchObject({ status: 'busy', stale: true })
    expect(client.isUserOnline('ben')).toBe(true)
    server.greets = false
    await pass(1000)
    expect(server.streams).toHaveLength(2)
    expect(server.stream.asked.headers.get('Last-Event-ID')).toBe('last')
    expect(server.of('POST', /subscriptions$/)).toHaveLength(1)
    expect(client.status).toBe('stale')
    server.hello(server.stream, undefined, true)
    await pass()
    expect(client.getPresence('ben')).toMatchObject({ status: 'busy', stale: false })
    expect(statuses).toEqual(['connecting', 'live', 'backoff', 'stale', 'live'])
    expect(packets).toEqual(['online online', 'online busy'])
  })

  test('waits grow to twenty seconds, and begin anew only after a stream that lived', async () => {
    start()
    client.watchUsers(['ben'])
    await pass()
    await pass(9000)
    const waits: number[] = []
    const wait = async () => {
      const begun = Date.now()
      const streams = server.streams.length
      while (server.streams.length === streams) await pass(100)
      waits.push(Math.round((Date.now() - begun) / 1000))
    }
    for (let i = 0; i < 7; i++) {
      server.stream.break()
      await pass()
      await wait()
    }
    expect(waits).toEqual([1, 2, 4, 8, 16, 20, 20])
    await pass(11_000)
    server.stream.break()
    await pass()
    await wait()
    expect(waits.at(-1)).toBe(1)
  })

  test('`retry:` is the base of the waits', async () => {
    start()
    client.watchUsers(['ben'])
    await pass()
    server.stream.raw('retry: 4000\n\n')
    await pass()
    server.stream.break()
    await pass(3900)
    expect(server.streams).toHaveLength(1)
    await pass(200)
    expect(server.streams).toHaveLength(2)
  })

  test('with full jitter: no two clients come back at once, and none within half a second', async () => {
    vi.mocked(Math.random).mockReturnValue(0)
    start()
    client.watchUsers(['ben'])
    await pass()
    server.stream.break()
    await pass(499)
    expect(server.streams).toHaveLength(1)
    await pass(2)
    expect(server.streams).toHaveLength(2)
  })

  test('a server that wants to be left tells when to come back', async () => {
    start()
    client.watchUsers(['ben'])
    await pass()
    server.stream.send('reconnect', { reason: 'drain', afterMs: 7000 })
    server.stream.end()
    await pass(6900)
    expect(server.streams).toHaveLength(1)
    await pass(200)
    expect(server.streams).toHaveLength(2)
    expect(client.status).toBe('live')
  })

  test.each([500, 502, 503, 429, 408, 405, 418])('a stream refused with %i is tried again, with the same subscription', async (status) => {
    start()
    client.watchUsers(['ben'])
    server.refuse('GET', /stream/, status, 'internal', 2)
    await pass(5000)
    expect(client.status).toBe('live')
    expect(server.of('GET', /stream/)).toHaveLength(3)
    expect(server.of('POST', /subscriptions$/)).toHaveLength(1)
    expect(errors.map((e) => e.status)).toEqual([status, status])
  })

  test('Retry-After is honoured', async () => {
    start()
    client.watchUsers(['ben'])
    server.refuse('GET', /stream/, 503, 'draining', 1, { 'Retry-After': '5' })
    await pass(4900)
    expect(server.of('GET', /stream/)).toHaveLength(1)
    await pass(200)
    expect(client.status).toBe('live')
  })

  test('every other status there is passes, but those few', () => {
    const verdicts = new Map<string, number[]>()
    for (let status = 100; status < 600; status++) verdicts.set(judge(status), [...(verdicts.get(judge(status)) ?? []), status])
    expect(judge(undefined)).toBe('retry')
    expect(verdicts.get('retry')).toHaveLength(500 - 6)
    verdicts.delete('retry')
    expect(Object.fromEntries(verdicts)).toEqual({ stop: [204, 400, 403, 404], token: [401], subscribe: [410] })
  })

  test('a stream refused with 401 takes a fresh token and a new subscription, once', async () => {
    const getToken = vi.fn(() => tokenOf('ada', 3600, getToken.mock.calls.length))
    start({ getToken, heartbeat: false })
    client.watchUsers(['ben'])
    server.refuse('GET', /stream/, 401, 'token_expired', 1)
    await pass()
    expect([client.status, getToken.mock.calls.length, server.of('POST', /subscriptions$/).length]).toEqual(['live', 2, 2])
    expect(server.of('POST', /subscriptions$/)[1]!.headers.get('Authorization')).toBe('Bearer ' + tokenOf('ada', 3600, 2))
    server.refuse('GET', /stream/, 401, 'token_expired')
    server.stream.break()
    await pass(60_000)
    expect([client.status, getToken.mock.calls.length]).toEqual(['suspended', 3])
  })

  test.each(['soon', '-5', '', 'Thu, 01 Jan 1970 00:00:00 GMT', '1e99', '99999999'])('a Retry-After of %j is no reason to storm', async (after) => {
    server.refuse('POST', /./, 503, 'draining', Infinity, { 'Retry-After': after })
    start()
    client.watchUsers(['ben'])
    await pass(60_000)
    expect(server.of('POST', /subscriptions$/).length).toBeLessThanOrEqual(8)
    expect(server.beats.length).toBeLessThanOrEqual(5)
  })

  test.each([204, 400, 403, 404])('a stream refused with %i is not tried again before connect() or another wish', async (status) => {
    start()
    client.watchUsers(['ben'])
    server.refuse('GET', /stream/, status, 'validation_failed', 1)
    await pass(120_000)
    expect(server.of('GET', /stream/)).toHaveLength(1)
    expect(client.status).toBe('suspended')
    expect(errors.map((e) => e.status)).toEqual([status])
    client.connect()
    await pass()
    expect(client.status).toBe('live')
  })

  test('what is done about a status can be overruled', async () => {
    start({ judge: (error) => (error.status === 403 ? 'retry' : undefined) })
    client.watchUsers(['ben'])
    server.refuse('GET', /stream/, 403, 'x', 1)
    await pass(1500)
    expect(client.status).toBe('live')
  })

  test('a subscription that is gone is made anew, at once, and once', async () => {
    start()
    client.watchUsers(['ben'])
    await pass()
    server.subscriptions.clear()
    server.stream.break()
    await pass(1100)
    expect(server.of('POST', /subscriptions$/)).toHaveLength(2)
    expect(client.status).toBe('live')
    // What was repaired at once is nobody's trouble.
    expect(errors.map((e) => e.code)).toEqual(['network'])
    server.refuse('GET', /stream/, 410, 'subscription_gone')
    server.stream.break()
    await pass(60_000)
    // Neither a storm nor an end.
    expect(server.of('POST', /subscriptions$/).length).toBeGreaterThan(4)
    expect(server.of('POST', /subscriptions$/).length).toBeLessThan(15)
  })

  test('a subscription that is gone when it is to be changed is made anew', async () => {
    start()
    client.watchUsers(['ben'])
    await pass()
    server.subscriptions.clear()
    client.watchUsers(['cyd'])
    await pass()
    expect(server.of('POST', /subscriptions$/).at(-1)!.body.users).toEqual(['ben', 'cyd'])
    expect(client.status).toBe('live')
    expect(server.open).toHaveLength(1)
  })

  test('a problem in the stream is a refusal; a final one ends it', async () => {
    start()
    client.watchUsers(['ben'])
    await pass()
    const problem = { type: '/x', title: 'x', status: 503, detail: 'x', code: 'draining', requestId: 'r' }
    server.stream.send('problem', problem)
    await pass(1100)
    expect(client.status).toBe('live')
    server.stream.send('problem', { ...problem, status: 500, final: true })
    await pass(60_000)
    expect(client.status).toBe('suspended')
    expect(errors.map((e) => e.code)).toEqual(['draining', 'draining'])
  })

  test('an answer that is no stream, as a captive portal gives, is tried again', async () => {
    start()
    client.watchUsers(['ben'])
    let portal = 1
    server.rules.push((a) => (/stream/.test(a.path) && portal-- > 0 ? new Response('<html>', { headers: { 'Content-Type': 'text/html' } }) : undefined))
    await pass(1500)
    expect(client.status).toBe('live')
  })

  test.each(['data: {not json', 'event: snapshot\ndata: {}'])('an event that makes no sense (%s) costs the stream, not the page', async (text) => {
    start()
    client.watchUsers(['ben'])
    await pass()
    server.stream.raw(text + '\n\n')
    await pass()
    expect(errors.map((e) => e.code)).toEqual(['event'])
    await pass(1100)
    expect(client.status).toBe('live')
    expect(server.open).toHaveLength(1)
  })

  test('an event that does not end costs the stream, not the memory', async () => {
    start({ maxEventLength: 5000 })
    client.watchUsers(['ben'])
    await pass()
    for (let i = 0; i < 10; i++) server.stream.raw('data: ' + 'x'.repeat(1000) + '\n')
    await pass(1100)
    expect(client.status).toBe('live')
    expect(server.streams).toHaveLength(2)
  })

  test('however often something wakes it, there are at most 15 attempts a minute', async () => {
    start()
    client.watchUsers(['ben'])
    server.refuse('POST', /subscriptions$/, 503)
    for (let i = 0; i < 600; i++) {
      client.connect()
      client.watchUsers(['u' + i])
      await pass(100)
    }
    expect(server.of('POST', /subscriptions$/).length).toBeLessThanOrEqual(16)
  })
})

describe('a stream that looks open', () => {
  test('is dead when nothing has come for two and a half pings', async () => {
    start()
    client.watchUsers(['ben'])
    await pass()
    for (let i = 0; i < 10; i++) {
      await pass(30_000)
      server.ping()
    }
    await pass()
    expect(server.streams).toHaveLength(1)
    await pass(74_000)
    expect(server.streams).toHaveLength(1)
    await pass(2000)
    expect(server.streams).toHaveLength(2)
    expect(server.open).toHaveLength(1)
    expect(statuses).toEqual(['connecting', 'live', 'stale', 'live'])
  })

  test('lives by comments, too', async () => {
    start()
    client.watchUsers(['ben'])
    await pass()
    for (let i = 0; i < 20; i++) {
      await pass(15_000)
      server.stream.raw(':\n')
    }
    expect(server.streams).toHaveLength(1)
  })

  test('is given up when it says nothing at all', async () => {
    server.greets = false
    start()
    client.watchUsers(['ben'])
    await pass(14_000)
    expect(server.streams).toHaveLength(1)
    await pass(2000)
    expect(server.streams).toHaveLength(2)
  })

  test('is dead after a sleep', async () => {
    start()
    client.watchUsers(['ben'])
    await pass()
    // The clock goes on and timers do not, as when a lid is closed.
    vi.setSystemTime(Date.now() + 45_000)
    await pass(10_000)
    expect(server.streams).toHaveLength(2)
    expect(server.beats.length).toBeGreaterThan(1)
  })

  test.each([31, 3600, -31, -3600])('is dead when the clock has jumped by %i s', async (seconds) => {
    start()
    client.watchUsers(['ben'])
    await pass()
    server.stream.send('hello', { streamId: 's', resumed: false, serverTime: server.now(), pingMs: 3600_000, limits: { users: 1, rooms: 1 } })
    await pass(5000)
    vi.setSystemTime(Date.now() + seconds * 1000)
    await pass(5000)
    expect(server.streams).toHaveLength(2)
    expect(client.status).toBe('live')
  })
})

describe('the server has lost its store', () => {
  test('people are stale until it is back', async () => {
    start()
    client.watchUsers(['ben'])
    await pass()
    const seen: Connection[] = []
    client.addEventListener('status', (e) => seen.push(e.detail))
    server.stream.send('degraded', { since: server.now() })
    await pass()
    expect(client.connection).toEqual({ status: 'live', stale: true, degraded: true })
    expect(client.getPresence('ben')).toMatchObject({ status: 'online', stale: true })
    server.stream.send('recovered', { serverTime: server.now() })
    await pass()
    expect(client.getPresence('ben')!.stale).toBe(false)
    expect(seen.map((c) => c.degraded)).toEqual([true, false])
  })
})

describe('tokens', () => {
  test('one that is refused is replaced once, and the request repeated', async () => {
    const getToken = vi.fn(({ reason }) => tokenOf('ada', 3600, reason === 'refused' ? 2 : 1))
    server.rules.push((a) => (a.headers.get('Authorization') === 'Bearer ' + tokenOf('ada', 3600, 1) ? Response.json({ code: 'token_expired' }, { status: 401 }) : undefined))
    start({ getToken })
    client.watchUsers(['ben'])
    await pass()
    expect(client.status).toBe('live')
    // Beat and subscription were refused at the same time.
    expect(getToken.mock.calls.map(([request]) => request.reason)).toEqual(['start', 'refused'])
  })

  test('a user whom no token helps is not asked for ever', async () => {
    server.refuse('POST', /./, 401, 'invalid_token')
    const getToken = vi.fn(() => tokenOf('ada', 3600, Math.floor(Date.now())))
    start({ getToken, heartbeat: false })
    client.watchUsers(['ben'])
    await pass(600_000)
    expect(client.status).toBe('suspended')
    expect(getToken.mock.calls.length).toBeLessThan(6)
    expect(errors.at(-1)).toMatchObject({ status: 401, code: 'invalid_token' })
  })

  test('a fresh one is fetched in the last fifth of its life, and the subscription renewed without losing the stream', async () => {
    let n = 0
    const getToken = vi.fn(() => tokenOf('ada', 600, n++))
    start({ getToken })
    client.watchUsers(['ben'])
    await pass()
    for (let i = 0; i < 17; i++) {
      await pass(30_000)
      server.ping()
    }
    await pass(20_000)
    expect(getToken.mock.calls.map(([request]: any) => request.reason)).toEqual(['start', 'expiring'])
    const [renewal] = server.of('POST', /renew$/)
    expect(renewal!.headers.get('Authorization')).toBe('Bearer ' + tokenOf('ada', 600, 1))
    expect(server.streams).toHaveLength(1)
    expect(statuses).toEqual(['connecting', 'live'])
  })

  test('tokenExpiring brings a fresh one, too', async () => {
    let n = 0
    start({ getToken: () => tokenOf('ada', 36000, n++) })
    client.watchUsers(['ben'])
    await pass()
    server.stream.send('tokenExpiring', { expiresAt: server.now() })
    await pass()
    expect(server.of('POST', /renew$/)).toHaveLength(1)
    expect(server.streams).toHaveLength(1)
  })

  test('a stream that ended with its token begins anew with another', async () => {
    start()
    client.watchUsers(['ben'])
    await pass()
    server.stream.send('reconnect', { reason: 'tokenExpired', afterMs: 1000 })
    server.stream.end()
    await pass(1100)
    expect(server.of('POST', /subscriptions$/)).toHaveLength(2)
    expect(client.status).toBe('live')
  })

  test('an application that cannot give one is asked again, and told', async () => {
    let fail = 2
    const getToken = vi.fn(async () => {
      if (fail-- > 0) throw new Error('my backend is down')
      return tokenOf('ada')
    })
    start({ getToken })
    client.watchUsers(['ben'])
    await pass()
    expect(client.status).toBe('backoff')
    await pass(4000)
    expect(client.status).toBe('live')
    expect(errors.map((e) => [e.code, (e.cause as Error).message])).toEqual([
      ['token', 'my backend is down'],
      ['token', 'my backend is down'],
    ])
  })

  test('a source that does not answer is told to stop, and asked again', async () => {
    const signals: AbortSignal[] = []
    const getToken = ({ signal }: { signal: AbortSignal }) => {
      signals.push(signal)
      return signals.length > 1 ? tokenOf('ada') : new Promise<string>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    }
    start({ getToken })
    client.watchUsers(['ben'])
    await pass(9900)
    expect([signals.length, signals[0]!.aborted]).toEqual([1, false])
    await pass(2000)
    expect([signals.length, signals[0]!.aborted, client.status]).toEqual([2, true, 'live'])
    expect(errors.map((e) => e.code)).toEqual(['timeout'])
  })

  test('one that tells nothing of its life lasts as long as the application says', async () => {
    let n = 0
    const reasons: string[] = []
    start({ userId: 'ada', getToken: ({ reason }) => (reasons.push(reason), { token: 'opaque' + n++, expiresInMs: 100_000 }) })
    await pass(60_000)
    expect(reasons).toEqual(['start'])
    await pass(31_000)
    expect(reasons).toEqual(['start', 'expiring'])
    expect(server.beats.at(-1)!.headers.get('Authorization')).toBe('Bearer opaque1')
  })

  test('are in no address', async () => {
    let n = 0
    start({ getToken: () => tokenOf('ada', 600, n++) })
    client.watchUsers(['ben'])
    await Promise.all([client.joinRoom('lobby'), pass()])
    server.stream.send('tokenExpiring', { expiresAt: server.now() })
    server.subscriptions.clear()
    server.stream.break()
    await pass(30_000)
    client.close()
    await pass()
    expect(n).toBeGreaterThan(1)
    expect(server.asked.length).toBeGreaterThan(8)
    for (const { path } of server.asked) expect(path).not.toMatch(/eyJ/)
  })

  test('without one there are cookies', async () => {
    client = clientOf(server, { getToken: undefined, url: '' })
    client.connect()
    client.watchUsers(['ben'])
    await pass()
    expect(server.asked[0]!.headers.has('Authorization')).toBe(false)
    expect(server.asked.map((a) => a.path)).toContain('/v1/subscriptions')
    expect(server.fetch.mock.calls[0]![1].credentials).toBe('include')
  })
})

describe('a room that is not granted', () => {
  test('does not darken the others', async () => {
    server.granted = (room) => !room.startsWith('secret')
    start()
    const refused: string[] = []
    client.addEventListener('roomRefused', ({ detail }) => refused.push(detail.room))
    for (const room of ['secret1', 'lobby', 'secret2']) void client.onPresence(room, () => {})
    await pass()
    expect(client.status).toBe('live')
    expect([...server.subscriptions.values()][0]!.rooms).toEqual(['lobby'])
    expect(refused).toEqual(['secret1', 'secret2'])
    // It is told once, by an event of its own, and asked for once.
    expect(errors).toEqual([])
    expect(server.of('POST', /subscriptions$/)).toHaveLength(2)
    expect(client.getRoom('secret1')).toMatchObject({ isLoading: false, isRefused: true, members: [] })
    for (const room of ['hall', 'secret3']) void client.onPresence(room, () => {})
    await pass()
    expect([...server.subscriptions.values()][0]!.rooms).toEqual(['lobby', 'hall'])
    expect(refused).toEqual(['secret1', 'secret2', 'secret3'])
    expect(server.of('PATCH', /./)).toHaveLength(2)
    await pass(600_000)
    expect(server.of('PATCH', /./)).toHaveLength(2)
  })

  test('nothing else watched is no stream, and no storm', async () => {
    server.granted = () => false
    start()
    void client.onPresence('secret', () => {})
    await pass(60_000)
    expect(client.status).toBe('idle')
    expect(server.of('POST', /subscriptions$/)).toHaveLength(1)
    expect(server.streams).toEqual([])
  })

  test('is asked for again with another wish, and with a token for other rooms', async () => {
    server.granted = () => false
    const rooms = ['lobby']
    start({ getToken: () => tokenOf('ada', 600, server.asked.length, [...rooms]) })
    client.watchUsers(['ben'])
    const handler = () => {}
    void client.onPresence('secret', handler)
    await pass()
    expect(client.getRoom('secret').isRefused).toBe(true)
    client.offPresence('secret', handler)
    await pass(2000)
    expect(client.getRoom('secret').isRefused).toBe(false)
    void client.onPresence('secret', handler)
    await pass()
    expect(client.getRoom('secret').isRefused).toBe(true)
    // A token like the last one changes nothing.
    const patches = server.of('PATCH', /./).length
    server.stream.send('tokenExpiring', { expiresAt: server.now() })
    await pass()
    expect(server.of('POST', /renew$/)).toHaveLength(1)
    expect(server.of('PATCH', /./)).toHaveLength(patches)
    rooms.push('secret')
    server.granted = () => true
    server.stream.send('tokenExpiring', { expiresAt: server.now() })
    await pass()
    expect(client.getRoom('secret')).toMatchObject({ isLoading: false, isRefused: false })
    expect([...server.subscriptions.values()][0]!.rooms).toEqual(['secret'])
  })

  test('by a fresh token is left out, and the subscription lives on with the others', async () => {
    start({ getToken: () => tokenOf('ada', 600, server.asked.length) })
    for (const room of ['lobby', 'hall']) void client.onPresence(room, () => {})
    await pass()
    server.granted = (room) => room !== 'lobby'
    server.stream.send('tokenExpiring', { expiresAt: server.now() })
    await pass()
    expect([...server.subscriptions.values()][0]!.rooms).toEqual(['hall'])
    expect(server.of('POST', /renew$/)).toHaveLength(2)
    expect(client.getRoom('lobby').isRefused).toBe(true)
    expect([client.status, errors.length, server.streams.length]).toEqual(['live', 0, 1])
  })

  test('by a heartbeat is told, and not beaten for again', async () => {
    server.granted = () => true
    start()
    const refused: string[] = []
    client.addEventListener('roomRefused', ({ detail }) => refused.push(detail.room))
    await Promise.all([client.joinRoom('lobby'), client.joinRoom('hall'), pass()])
    await pass(30_000)
    expect(server.beats.at(-1)!.body.rooms).toEqual(['lobby', 'hall'])
    server.granted = (room) => room !== 'lobby'
    await pass(30_000)
    expect(refused).toEqual(['lobby'])
    await pass(30_000)
    expect(server.beats.at(-1)!.body.rooms).toEqual(['hall'])
    expect([...server.subscriptions.values()][0]!.rooms).toEqual(['hall'])
    expect([refused.length, client.status]).toEqual([1, 'live'])
  })
})

describe('going out', () => {
  test('leaves, ends the stream and the subscription, and leaves no timers', async () => {
    start()
    client.watchUsers(['ben'])
    await pass()
    client.close()
    await pass()
    expect(server.of('POST', /leave$/).map((a) => [a.body, a.keepalive])).toEqual([[server.beats[0]!.body && 'leave-' + client.sessionId + '-' + server.beats[0]!.body.seq, true]])
    expect(server.of('DELETE', /subscriptions/)).toHaveLength(1)
    expect(server.open).toEqual([])
    expect(client.status).toBe('closed')
    expect(vi.getTimerCount()).toBe(0)
    const asked = server.asked.length
    await pass(600_000)
    expect(server.asked).toHaveLength(asked)
  })

  test('and can come in again', async () => {
    start()
    client.watchUsers(['ben'])
    await pass()
    client.close()
    client.connect()
    await pass()
    expect(client.status).toBe('live')
    expect(server.beats[1]!.body.seq).toBeGreaterThan(server.beats[0]!.body.seq)
  })

  test('before it has come in it is as if it never had', async () => {
    start()
    client.close()
    await pass(60_000)
    expect(server.asked).toEqual([])
    expect(vi.getTimerCount()).toBe(0)
  })
})
