import * as React from 'react'
import { StrictMode, useState, version, type ReactNode } from 'react'
import { createRoot, hydrateRoot, type Root } from 'react-dom/client'
import { renderToString } from 'react-dom/server'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { PresenceClient } from '../../src/index.js'
import {
  LastSeen,
  PresenceProvider,
  PrivacySettings,
  StatusDot,
  TypingIndicator,
  useActivity,
  useBulkPresence,
  useConnection,
  usePresence,
  useRoomPresence,
  UserList,
  UserPresence,
  useTypingIndicator,
} from '../../src/react/index.js'
import { clientOf, FakeServer, pass, presence } from '../server.js'

// React has it since 18.3; before, its tools for tests did.
const { act } = 'act' in React ? React : ((await import('react-dom/test-utils')) as unknown as Pick<typeof React, 'act'>)

let server: FakeServer
let client: PresenceClient
let root: Root
let box: HTMLElement

const settle = (ms = 0) => act(async () => pass(ms))
const render = async (node: ReactNode, ms = 0) => {
  await act(async () => root.render(<PresenceProvider client={client}>{node}</PresenceProvider>))
  await settle(ms)
}
const send = async (...args: [string, unknown, string?]) => {
  server.stream.send(...args)
  await settle()
}

beforeEach(() => {
  vi.useFakeTimers({ now: new Date('2026-11-22T10:00:00Z'), toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'Date', 'performance'] })
  vi.stubGlobal('IS_REACT_ACT_ENVIRONMENT', true)
  vi.stubGlobal('Worker', undefined)
  vi.stubGlobal('Request', class {
    get keepalive() {
      return false
    }
  })
  server = new FakeServer()
  client = clientOf(server, { shareTabs: false })
  box = document.body.appendChild(document.createElement('div'))
  root = createRoot(box)
})

afterEach(async () => {
  await act(async () => root.unmount())
  await settle(2000)
  client.close()
  box.remove()
  vi.unstubAllGlobals()
  vi.useRealTimers()
})

test('the version is one that we promise', () => {
  expect(['18', '19']).toContain(version.split('.')[0])
})

describe('hooks', () => {
  test('usePresence shows a user, and changes with him', async () => {
    const seen: unknown[] = []
    const Avatar = ({ userId }: { userId: string }) => {
      const presence = usePresence(userId)
      seen.push(presence?.status)
      return <b>{presence?.status}</b>
    }
    await render(<Avatar userId="ben" />)
    expect(seen).toEqual([undefined, 'online'])
    expect(box.textContent).toBe('online')
    await send('presence', { presences: [presence('ben', 'dnd')] }, '1')
    expect(box.textContent).toBe('dnd')
    server.states.set('cyd', presence('cyd', 'away'))
    await render(<Avatar userId="cyd" />)
    expect(box.textContent).toBe('away')
  })

  test('useRoomPresence has what the documents promise', async () => {
    const seen: unknown[] = []
    server.rooms.set('lobby', { members: [presence('ben'), presence('cyd')], count: 2, rev: ++FakeServer.rev })
    const Room = () => {
      const { onlineUsers, userCount, isLoading } = useRoomPresence('lobby')
      seen.push({ onlineUsers, userCount, isLoading })
      return null
    }
    await render(<Room />)
    expect(seen[0]).toEqual({ onlineUsers: [], userCount: 0, isLoading: true })
    expect(seen.at(-1)).toEqual({ onlineUsers: ['ben', 'cyd'], userCount: 2, isLoading: false })
    await send('room', { room: 'lobby', left: ['ben'], count: 1, rev: ++FakeServer.rev }, '1')
    expect(seen.at(-1)).toEqual({ onlineUsers: ['cyd'], userCount: 1, isLoading: false })
  })

  test('with join the user is in the room as long as the component is there', async () => {
    const Room = () => {
      useRoomPresence('lobby', { join: true })
      return null
    }
    await render(<StrictMode><Room /></StrictMode>)
    expect(server.of('PUT', /members/)).toHaveLength(1)
    await render(null, 1000)
    expect(server.of('DELETE', /members/)).toEqual([])
    await render(null, 1000)
    expect(server.of('DELETE', /members/)).toHaveLength(1)
  })

  test('useBulkPresence takes a new array at each rendering, and gives the same map until something changes', async () => {
    const maps: unknown[] = []
    let again!: (n: number) => void
    const List = () => {
      again = useState(0)[1]
      const map = useBulkPresence(['ben', 'cyd', 'ben'])
      maps.push(map)
      return <p>{[...map.values()].map((p) => p.userId + p.status).join()}</p>
    }
    await render(<List />)
    expect(box.textContent).toBe('benonline,cydonline')
    const { length } = maps
    await act(async () => again(1))
    await act(async () => again(2))
    expect(maps.length).toBe(length + 2)
    expect(new Set(maps.slice(length - 1)).size).toBe(1)
    expect(server.of('PATCH', /./)).toEqual([])
    await send('presence', { presences: [presence('cyd', 'busy')] }, '1')
    expect(box.textContent).toBe('benonline,cydbusy')
  })

  test('useTypingIndicator shows who types, and says that the user does', async () => {
    const Composer = () => {
      const { typingUsers, text, handleTyping } = useTypingIndicator('lobby')
      return (
        <>
          <input onChange={handleTyping} />
          <i>{typingUsers.join()}</i>
          <b>{text}</b>
        </>
      )
    }
    await render(<Composer />)
    const expiresAt = new Date(Date.now() + 6000).toISOString()
    await send('typing', { room: 'lobby', typing: [{ userId: 'ben', profile: { name: 'Ben' }, expiresAt }, { userId: 'cyd', expiresAt }, { userId: 'ada', expiresAt }] }, '1')
    expect(box.querySelector('i')!.textContent).toBe('Ben,cyd')
    expect(box.querySelector('b')!.textContent).toBe('Ben and cyd are typing…')
    await settle(6100)
    expect(box.querySelector('b')!.textContent).toBe('')
    const input = box.querySelector('input')!
    await act(async () => {
      Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value')!.set!.call(input, 'x')
      input.dispatchEvent(new Event('input', { bubbles: true }))
    })
    await settle()
    expect(server.of('PUT', /typing$/).map((a) => a.body.typing)).toEqual([true])
    await render(null)
    expect(server.of('PUT', /typing$/).map((a) => a.body.typing)).toEqual([true, false])
  })

  test('useActivity and useConnection', async () => {
    server.states.set('ben', presence('ben', 'online', { activity: { type: 'viewing', target: '/docs/7', since: '2026-11-22T09:00:00.000Z' } }))
    const Line = () => <p>{useActivity('ben') + '|' + useConnection().status}</p>
    await render(<Line />)
    expect(box.textContent).toBe('Viewing /docs/7|live')
    server.stream.break()
    await settle()
    expect(box.textContent).toBe('Viewing /docs/7|backoff')
  })

  test('without a provider they say what is missing', () => {
    const Lost = () => <>{usePresence('ben')?.status}</>
    expect(() => renderToString(<Lost />)).toThrow(/PresenceProvider/)
  })
})

describe('life', () => {
  const Watcher = ({ id = 'ben' }: { id?: string }) => <p>{usePresence(id)?.status}</p>

  test('strict mode opens one stream and one subscription, and beats once', async () => {
    await render(<StrictMode><Watcher /><Watcher /><Watcher id="cyd" /></StrictMode>)
    expect(box.textContent).toBe('onlineonlineonline')
    expect(server.streams).toHaveLength(1)
    expect(server.of('POST', /subscriptions$/).map((a) => a.body.users)).toEqual([['ben', 'cyd']])
    expect(server.beats).toHaveLength(1)
    expect(server.of('POST', /leave/)).toEqual([])
  })

  test('a change of route keeps the stream, and what both routes watch', async () => {
    await render(<div key="a"><Watcher /><Watcher id="cyd" /></div>)
    await render(<div key="b"><Watcher /><Watcher id="dan" /></div>, 2000)
    expect(server.streams).toHaveLength(1)
    expect(server.of('PATCH', /./).map((a) => a.body)).toEqual([{ addUsers: ['dan'] }, { removeUsers: ['cyd'] }])
  })

  test('the provider connects and, a moment after it is gone, closes; twice in a row is once', async () => {
    await render(<Watcher />)
    expect(client.status).toBe('live')
    await act(async () => root.unmount())
    await settle(1000)
    expect(client.isOpen).toBe(true)
    root = createRoot(box)
    await render(<Watcher />, 5000)
    expect(client.status).toBe('live')
    expect(server.streams).toHaveLength(1)
    await act(async () => root.unmount())
    await settle(1600)
    expect(client.status).toBe('closed')
    root = createRoot(box)
    await render(<Watcher />)
    expect(client.status).toBe('live')
  })

  test('a client that the application has connected is its own', async () => {
    client.connect()
    await render(<Watcher />)
    await act(async () => root.unmount())
    await settle(10_000)
    expect(client.isOpen).toBe(true)
    root = createRoot(box)
  })

  test('a thousand times mounted and unmounted, nothing is left', async () => {
    for (let i = 0; i < 1000; i++) {
      await act(async () => root.render(<PresenceProvider client={client}>{i % 2 ? null : <><Watcher /><UserList room="lobby" /><TypingIndicator room="lobby" /></>}</PresenceProvider>))
    }
    expect(server.streams.length).toBeLessThanOrEqual(1)
    await render(null, 3000)
    expect(client.status).toBe('idle')
    await act(async () => root.unmount())
    await settle(3000)
    expect(vi.getTimerCount()).toBe(0)
    expect(server.open).toEqual([])
    root = createRoot(box)
  }, 30_000)

  test('on a server nothing is asked, and the page hydrates without complaint', async () => {
    const page = <PresenceProvider client={client}><UserPresence userId="ben" name="Ben" /><UserList room="lobby" /><TypingIndicator room="lobby" /></PresenceProvider>
    const html = renderToString(page)
    expect(html).toContain('Ben')
    expect(html).toContain('aria-label="Unknown"')
    expect(server.asked).toEqual([])
    const other = document.body.appendChild(document.createElement('div'))
    other.innerHTML = html
    const complaints = vi.spyOn(console, 'error').mockImplementation(() => {})
    const hydrated = await act(async () => hydrateRoot(other, page))
    await settle()
    expect(complaints).not.toHaveBeenCalled()
    expect(other.querySelector('svg')!.getAttribute('aria-label')).toBe('Online')
    await act(async () => hydrated.unmount())
    complaints.mockRestore()
    other.remove()
  })

  test('concurrent renderings of one list never disagree', async () => {
    const shown: string[] = []
    const Row = ({ n }: { n: number }) => {
      const status = usePresence('ben')?.status
      if (n === 0) shown.push('')
      shown[shown.length - 1] += status?.[0] ?? '-'
      return null
    }
    await render(<>{Array.from({ length: 20 }, (_, n) => <Row key={n} n={n} />)}</>)
    for (const status of ['busy', 'away', 'dnd', 'online'] as const) await send('presence', { presences: [presence('ben', status)] }, '1')
    for (const line of shown) expect(new Set(line).size).toBe(1)
  })
})

describe('components', () => {
  test('StatusDot says what it shows, by shape and name as well as by colour', async () => {
    await render(<><StatusDot status="dnd" /><StatusDot status="online" stale /><StatusDot status="away" words={{ away: 'Abwesend' }} /></>)
    const dots = [...box.querySelectorAll('svg')]
    expect(dots.map((dot) => dot.getAttribute('aria-label'))).toEqual(['Do not disturb', 'Online (last known)', 'Abwesend'])
    expect(dots.map((dot) => dot.getAttribute('role'))).toEqual(['img', 'img', 'img'])
    expect(new Set(dots.map((dot) => dot.querySelector('path')!.getAttribute('d'))).size).toBe(3)
    // No inline styles, for strict policies.
    expect(box.innerHTML).not.toContain('style=')
  })

  test('UserPresence shows text as text, whatever it is', async () => {
    const evil = '<img src=x onerror=alert(1)>'
    server.states.set('ben', presence('ben', 'busy', { custom: { text: evil, emoji: '<b>' }, profile: { name: '"><script>alert(1)</script>' } }))
    await render(<UserPresence userId="ben" />)
    expect(box.querySelector('img, script, b')).toBeNull()
    expect(box.textContent).toContain(evil)
    expect(box.querySelector('.presently-name')!.textContent).toBe('"><script>alert(1)</script>')
  })

  test('LastSeen keeps up with the time', async () => {
    server.states.set('ben', presence('ben', 'offline', { lastSeen: 'now', lastSeenAt: new Date(Date.now() - 30_000).toISOString() }))
    await render(<LastSeen userId="ben" />)
    expect(box.textContent).toBe('Last seen just now')
    await settle(5 * 60_000)
    server.ping()
    expect(box.textContent).toBe('Last seen 5m ago')
    await send('presence', { presences: [presence('ben', 'online')] }, '1')
    expect(box.textContent).toBe('Online')
  })

  test('TypingIndicator is a live region that is always there', async () => {
    await render(<TypingIndicator room="lobby" words={{ one: (name) => name + ' schreibt …' }} />)
    const region = box.querySelector('[role=status]')!
    expect(region.textContent).toBe('')
    await send('typing', { room: 'lobby', typing: [{ userId: 'ben', expiresAt: new Date(Date.now() + 6000).toISOString() }] }, '1')
    expect(box.querySelector('[role=status]')).toBe(region)
    expect(region.textContent).toBe('ben schreibt …')
  })

  test('UserList shows a room, or those it is given', async () => {
    server.rooms.set('lobby', { members: [presence('ben'), presence('cyd')], count: 2, rev: ++FakeServer.rev })
    await render(<UserList room="lobby" label="In the lobby" />)
    expect(box.querySelector('ul')!.getAttribute('aria-label')).toBe('In the lobby')
    expect([...box.querySelectorAll('li')].map((li) => li.textContent!.trim())).toEqual(['ben', 'cyd'])
    await render(<UserList users={['dan', { id: 'eve', name: 'Eve', avatar: '/e.png' }]} />)
    expect([...box.querySelectorAll('li')].map((li) => li.textContent!.trim())).toEqual(['dan', 'Eve'])
    expect(box.querySelector('img')!.getAttribute('alt')).toBe('')
  })

  test('PrivacySettings reads, saves, and says when it could not', async () => {
    const saved = vi.fn()
    await render(<PrivacySettings onChange={saved} />)
    const [online] = [...box.querySelectorAll('select')]
    expect(box.querySelectorAll('select')).toHaveLength(4)
    expect(online!.value).toBe('everyone')
    expect(box.querySelector(`label[for="${online!.id}"]`)!.textContent).toBe('That I am here')
    const choose = async (value: string) => {
      await act(async () => {
        online!.value = value
        online!.dispatchEvent(new Event('change', { bubbles: true }))
      })
      await settle()
    }
    await choose('contacts')
    expect(server.of('PUT', /privacy/).at(-1)!.body.online).toBe('contacts')
    expect(saved).toHaveBeenCalledTimes(1)
    server.refuse('PUT', /privacy/, 503)
    await choose('nobody')
    expect(online!.value).toBe('contacts')
    expect(box.querySelector('[role=alert]')!.textContent).toContain('could not be saved')
  })
})
