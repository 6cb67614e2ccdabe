/** What a client asks of the server beside watching and beating. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { PresenceError, type PresenceClient } from '../src/index.js'
import { clientOf, FakeServer, pass } from './server.js'

let server: FakeServer
let client: PresenceClient
let last: () => unknown[]

beforeEach(() => {
  vi.useFakeTimers({ now: new Date('2026-11-22T10:00:00Z'), toFake: ['setTimeout', 'clearTimeout', 'Date', 'performance'] })
  server = new FakeServer()
  client = clientOf(server)
  last = () => {
    const { method, path, body } = server.asked.at(-1)!
    return [method, path.replace('https://presence.test', ''), body]
  }
})

afterEach(() => {
  client.close()
  vi.useRealTimers()
})

describe('statuses', () => {
  test('are chosen and cleared, also without a connection', async () => {
    expect((await client.setStatus('busy')).status).toBe('busy')
    expect(last()).toEqual(['PUT', '/v1/presence/status', { status: 'busy' }])
    expect(client.getPresence('ada')!.status).toBe('busy')
    await client.setStatus('dnd', { expiresInMs: 3600_000 })
    expect(last()).toEqual(['PUT', '/v1/presence/status', { status: 'dnd', expiresInMs: 3600_000 }])
    await client.clearStatus()
    expect(last()).toEqual(['DELETE', '/v1/presence/status', undefined])
  })

  test('custom ones are text, or more, or none', async () => {
    await client.setCustomStatus('Lunch')
    expect(last()).toEqual(['PUT', '/v1/presence/custom', { text: 'Lunch' }])
    await client.setCustomStatus({ text: '', emoji: '🍜', expiresInMs: 1000 })
    expect(last()).toEqual(['PUT', '/v1/presence/custom', { text: '', emoji: '🍜', expiresInMs: 1000 }])
    await client.setCustomStatus(null)
    expect(last()).toEqual(['DELETE', '/v1/presence/custom', undefined])
  })
})

describe('activities', () => {
  beforeEach(async () => {
    client.connect()
    await pass()
  })

  test('are said at once, and again with each heartbeat as long as they last', async () => {
    await client.setActivity({ type: 'in_call', label: 'With Ben' })
    expect(last()).toEqual(['PUT', '/v1/presence/activity', { sessionId: client.sessionId, type: 'in_call', label: 'With Ben' }])
    await pass(30_000)
    expect(server.beats.at(-1)!.body.activity).toEqual({ type: 'in_call', label: 'With Ben' })
    await client.setActivity(null)
    expect(last()).toEqual(['DELETE', '/v1/presence/activity?sessionId=' + client.sessionId, undefined])
    await pass(30_000)
    expect(server.beats.at(-1)!.body).not.toHaveProperty('activity')
  })

  test('that are to end by themselves are not said again', async () => {
    await client.setActivity({ type: 'custom', label: 'Saving', ttlMs: 3000 })
    await pass(30_000)
    expect(server.beats.at(-1)!.body).not.toHaveProperty('activity')
  })

  test('a page is viewed', async () => {
    const end = client.trackPage('/docs/7', 'The design')
    await pass()
    expect(server.of('PUT', /activity/).at(-1)!.body).toEqual({ sessionId: client.sessionId, type: 'viewing', target: '/docs/7', label: 'The design' })
    end()
    await pass()
    expect(last()[0]).toBe('DELETE')
  })

  test('before there is a session they wait for one', async () => {
    const early = clientOf(server)
    const done = vi.fn()
    void early.setActivity({ type: 'busy' }).then(done)
    await pass()
    expect(done).not.toHaveBeenCalled()
    early.connect()
    await pass()
    expect(done).toHaveBeenCalled()
    early.close()
  })

  test('and are refused when the client is closed meanwhile', async () => {
    const early = clientOf(server)
    early.connect()
    server.refuse('POST', /heartbeat/, 503)
    await pass()
    const failed = vi.fn()
    early.setActivity({ type: 'busy' }).catch(failed)
    await pass()
    early.close()
    await pass()
    expect(failed.mock.calls[0]![0]).toMatchObject({ code: 'closed' })
  })
})

describe('rooms', () => {
  beforeEach(async () => {
    client.connect()
    await pass()
  })
  const path = (room: string) => `/v1/rooms/${room}/members/me?sessionId=${client.sessionId}`

  test('are joined, watched, said with each heartbeat, and left', async () => {
    await client.joinRoom('team/1 ü')
    expect(server.of('PUT', /members/).map((a) => a.path)).toEqual(['https://presence.test' + path('team%2F1%20%C3%BC')])
    await pass()
    expect([...server.subscriptions.values()][0]!.rooms).toEqual(['team/1 ü'])
    await pass(30_000)
    expect(server.beats.at(-1)!.body.rooms).toEqual(['team/1 ü'])
    await client.leaveRoom('team/1 ü')
    expect(server.of('DELETE', /members/)).toHaveLength(1)
    await pass(30_000)
    expect(server.beats.at(-1)!.body.rooms).toEqual([])
    expect(server.subscriptions.size).toBe(0)
  })

  test('joining is counted, and lingers where one asks for it', async () => {
    await client.joinRoom('lobby')
    await client.joinRoom('lobby')
    await client.leaveRoom('lobby', 1500)
    await client.leaveRoom('lobby', 1500)
    await client.joinRoom('lobby')
    await pass(5000)
    expect(server.of('PUT', /members/)).toHaveLength(1)
    expect(server.of('DELETE', /members/)).toEqual([])
    await client.leaveRoom('lobby', 1500)
    await pass(1600)
    expect(server.of('DELETE', /members/)).toHaveLength(1)
    await client.leaveRoom('never joined')
  })

  test('a refusal is told, and the room not tried again', async () => {
    server.refuse('PUT', /members/, 403, 'room_not_granted')
    await expect(client.joinRoom('secret')).rejects.toMatchObject({ status: 403, code: 'room_not_granted' })
    await pass(31_000)
    expect(server.beats.at(-1)!.body.rooms ?? []).toEqual([])
  })

  test('a session that the server has forgotten is revived first', async () => {
    await pass(10_000)
    server.refuse('PUT', /members/, 409, 'no_session', 1)
    const beats = server.beats.length
    await client.joinRoom('lobby')
    expect(server.beats).toHaveLength(beats + 1)
    expect(server.beats.at(-1)!.body.rooms).toEqual(['lobby'])
    expect(server.of('PUT', /members/)).toHaveLength(2)
  })
})

describe('typing', () => {
  beforeEach(async () => {
    client.connect()
    await pass()
  })
  const sent = () => server.of('PUT', /typing$/).map((a) => a.body.typing)

  test('is said at the first stroke, every three seconds while it lasts, and ends after a pause', async () => {
    for (let i = 0; i < 70; i++) {
      client.startTyping('lobby')
      await pass(100)
    }
    expect(sent()).toEqual([true, true, true])
    await pass(4800)
    expect(sent()).toEqual([true, true, true])
    await pass(200)
    expect(sent()).toEqual([true, true, true, false])
    await pass(60_000)
    expect(sent()).toHaveLength(4)
    expect(server.of('PUT', /typing$/)[0]).toMatchObject({ path: 'https://presence.test/v1/rooms/lobby/typing', body: { sessionId: client.sessionId, typing: true } })
    expect(server.of('PUT', /typing$/)[0]!.body).not.toHaveProperty('threadId')
  })

  test('ends when it is said to, once, and outlives the page', async () => {
    client.startTyping('lobby', 't1')
    client.stopTyping('lobby', 't1')
    client.stopTyping('lobby', 't1')
    client.stopTyping('lobby')
    await pass(10_000)
    expect(server.of('PUT', /typing$/).map((a) => [a.body.typing, a.body.threadId, a.keepalive])).toEqual([
      [true, 't1', false],
      [false, 't1', true],
    ])
  })

  test('ends with the client', async () => {
    client.startTyping('lobby')
    await pass()
    client.close()
    await pass()
    expect(sent()).toEqual([true, false])
  })

  test('that cannot be said is an error event and no rejection', async () => {
    const errors: PresenceError[] = []
    client.addEventListener('error', (e) => errors.push(e.detail))
    server.refuse('PUT', /typing/, 429, 'rate_limited')
    client.startTyping('lobby')
    await pass()
    expect(errors.map((e) => e.code)).toEqual(['rate_limited'])
  })
})

describe('privacy', () => {
  test('is changed in part', async () => {
    expect(await client.setPrivacy({ lastSeen: 'nobody' })).toEqual({ online: 'everyone', lastSeen: 'nobody', activity: 'contacts', typing: 'everyone' })
    expect(server.asked.at(-1)!.headers.get('If-Match')).toBe('"1"')
  })

  test('is read again where somebody else has changed it meanwhile', async () => {
    server.refuse('PUT', /privacy/, 412, 'precondition_failed', 1)
    await client.setPrivacy({ typing: 'nobody' })
    expect(server.asked.map((a) => a.method)).toEqual(['GET', 'PUT', 'GET', 'PUT'])
    server.refuse('PUT', /privacy/, 412, 'precondition_failed')
    await expect(client.setPrivacy({ typing: 'nobody' })).rejects.toMatchObject({ status: 412 })
  })
})

describe('requests', () => {
  test('for many users are made in pieces', async () => {
    const users = Array.from({ length: 1200 }, (_, i) => 'u' + i)
    expect((await client.queryPresence(users)).map((p) => p.userId)).toEqual(users)
    expect(server.of('POST', /query/).map((a) => a.body.users.length)).toEqual([500, 500, 200])
    expect(await client.queryPresence([])).toEqual([])
  })

  test('that are refused reject with the problem', async () => {
    server.refuse('PUT', /status/, 429, 'rate_limited', 1, { 'Retry-After': '7' })
    const error = await client.setStatus('busy').catch((error) => error)
    expect(error).toBeInstanceOf(PresenceError)
    expect(error).toMatchObject({ name: 'PresenceError', status: 429, code: 'rate_limited', retryAfterMs: 7000, message: 'rate_limited', problem: { title: 'rate_limited' } })
  })

  test('that fail say how', async () => {
    server.refuse('PUT', /status/, 0, '', 1)
    const broken = await client.setStatus('busy').catch((error) => error)
    expect([broken.code, broken.status, broken.cause]).toEqual(['network', undefined, new TypeError('network down')])
    server.rules = [() => new Promise(() => {})]
    const slow = client.setStatus('busy').catch((error) => error)
    await pass(10_100)
    expect(await slow).toMatchObject({ code: 'timeout' })
  })

  test('with an answer that is no problem document keep the status', async () => {
    server.rules = [() => new Response('<html>Bad gateway', { status: 502 })]
    await expect(client.setStatus('busy')).rejects.toMatchObject({ status: 502, code: 'http' })
  })
})
