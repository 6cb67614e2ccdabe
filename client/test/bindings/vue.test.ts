import { createApp, createSSRApp, defineComponent, effectScope, h, nextTick, ref, version, type App, type Component } from 'vue'
import { renderToString } from 'vue/server-renderer'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { PresenceClient } from '../../src/index.js'
import {
  LastSeen,
  presently,
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
} from '../../src/vue/index.js'
import { clientOf, FakeServer, pass, presence } from '../server.js'

let server: FakeServer
let client: PresenceClient
let box: HTMLElement
let app: App | undefined

const settle = async (ms = 0) => {
  await pass(ms)
  await nextTick()
}
const mount = async (component: Component | (() => unknown), ms = 0) => {
  app = createApp(typeof component === 'function' ? defineComponent({ setup: () => component as () => any }) : component)
  app.use(presently(client))
  app.mount(box)
  await settle(ms)
  return app
}
const send = async (...args: [string, unknown, string?]) => {
  server.stream.send(...args)
  await settle()
}

beforeEach(() => {
  vi.useFakeTimers({ now: new Date('2026-11-22T10:00:00Z'), toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'Date', 'performance'] })
  vi.stubGlobal('Worker', undefined)
  vi.stubGlobal('Request', class {
    get keepalive() {
      return false
    }
  })
  server = new FakeServer()
  client = clientOf(server, { shareTabs: false })
  box = document.body.appendChild(document.createElement('div'))
})

afterEach(async () => {
  app?.unmount()
  app = undefined
  await settle(2000)
  client.close()
  box.remove()
  vi.unstubAllGlobals()
  vi.useRealTimers()
})

test('the version is one that we promise', () => {
  const [major, minor] = version.split('.').map(Number)
  expect(major).toBe(3)
  expect(minor).toBeGreaterThanOrEqual(4)
})

describe('composables', () => {
  test('usePresence follows a user, and another when the id changes', async () => {
    const id = ref('ben')
    server.states.set('cyd', presence('cyd', 'away'))
    await mount(defineComponent({
      setup() {
        const it = usePresence(id)
        return () => h('b', it.value?.status ?? 'none')
      },
    }))
    expect(box.textContent).toBe('online')
    await send('presence', { presences: [presence('ben', 'dnd')] }, '1')
    expect(box.textContent).toBe('dnd')
    id.value = 'cyd'
    await settle()
    expect(box.textContent).toBe('away')
    await settle(2000)
    expect(server.of('PATCH', /./).map((a) => a.body)).toEqual([{ addUsers: ['cyd'] }, { removeUsers: ['ben'] }])
  })

  test('useRoomPresence has what the documents promise, and joins where asked to', async () => {
    server.rooms.set('lobby', { members: [presence('ben')], count: 1, rev: ++FakeServer.rev })
    let seen!: ReturnType<typeof useRoomPresence>
    const show = ref(true)
    const Room = defineComponent({
      setup() {
        seen = useRoomPresence('lobby', { join: true })
        return () => null
      },
    })
    await mount(() => (show.value ? h(Room) : null))
    expect([seen.onlineUsers.value, seen.userCount.value, seen.isLoading.value]).toEqual([['ben'], 1, false])
    expect(server.of('PUT', /members/)).toHaveLength(1)
    show.value = false
    await settle(1000)
    expect(server.of('DELETE', /members/)).toEqual([])
    await settle(1000)
    expect(server.of('DELETE', /members/)).toHaveLength(1)
  })

  test('useBulkPresence', async () => {
    const ids = ref(['ben', 'cyd'])
    await mount(defineComponent({
      setup() {
        const map = useBulkPresence(ids)
        return () => h('p', [...map.value.values()].map((p) => p.userId + p.status).join())
      },
    }))
    expect(box.textContent).toBe('benonline,cydonline')
    ids.value = ['cyd', 'dan']
    await settle()
    expect(box.textContent).toBe('cydonline,danonline')
    await send('presence', { presences: [presence('cyd', 'busy')] }, '1')
    expect(box.textContent).toBe('cydbusy,danonline')
  })

  test('useTypingIndicator, useActivity, useConnection', async () => {
    server.states.set('ben', presence('ben', 'online', { activity: { type: 'in_call', since: '2026-11-22T09:00:00.000Z' } }))
    let handle!: () => void
    await mount(defineComponent({
      setup() {
        const { typingUsers, text, handleTyping } = useTypingIndicator('lobby')
        const activity = useActivity('ben')
        const connection = useConnection()
        handle = handleTyping
        return () => h('p', [typingUsers.value.join(), text.value, activity.value, connection.value.status].join('|'))
      },
    }))
    expect(box.textContent).toBe('||In a call|live')
    await send('typing', { room: 'lobby', typing: [{ userId: 'ben', profile: { name: 'Ben' }, expiresAt: new Date(Date.now() + 6000).toISOString() }] }, '1')
    expect(box.textContent).toBe('Ben|Ben is typing…|In a call|live')
    handle()
    await settle()
    app!.unmount()
    app = undefined
    await settle()
    expect(server.of('PUT', /typing$/).map((a) => a.body.typing)).toEqual([true, false])
  })

  test('without the plugin they say what is missing', async () => {
    vi.spyOn(console, 'warn').mockImplementation(() => {})
    const lost = createApp(defineComponent({ setup: () => (usePresence('ben'), () => null) }))
    expect(() => lost.mount(box)).toThrow(/presently\(client\)/)
    vi.restoreAllMocks()
  })
})

describe('life', () => {
  test('what a scope watches ends with it, a moment later', async () => {
    const app = await mount(() => null)
    const scope = effectScope()
    app.runWithContext(() => scope.run(() => [usePresence('ben'), useRoomPresence('lobby'), useBulkPresence(['cyd']), useConnection()]))
    await settle()
    expect(client.status).toBe('live')
    scope.stop()
    await settle(2000)
    expect(client.status).toBe('idle')
    expect(server.open).toEqual([])
  })

  test('the app closes the client when it is unmounted', async () => {
    await mount(() => h(UserPresence, { userId: 'ben' }))
    expect(client.status).toBe('live')
    app!.unmount()
    app = undefined
    await settle(1600)
    expect(client.status).toBe('closed')
    expect(vi.getTimerCount()).toBe(0)
  })

  test('a thousand times mounted and unmounted, nothing is left', async () => {
    const n = ref(0)
    await mount(() => (n.value % 2 ? null : h('div', [h(UserPresence, { userId: 'ben' }), h(UserList, { room: 'lobby' }), h(TypingIndicator, { room: 'lobby' })])))
    for (let i = 0; i < 1000; i++) {
      n.value++
      await nextTick()
    }
    n.value++
    expect(server.streams).toHaveLength(1)
    await settle(3000)
    expect(client.status).toBe('idle')
    app!.unmount()
    app = undefined
    await settle(2000)
    expect(vi.getTimerCount()).toBe(0)
  })

  test('on a server nothing is asked or watched', async () => {
    vi.stubGlobal('document', undefined)
    const ssr = createSSRApp({ render: () => h('div', [h(UserPresence, { userId: 'ben', name: 'Ben' }), h(UserList, { room: 'lobby' }), h(TypingIndicator, { room: 'lobby' })]) })
    // Vue's development build has one for its tools.
    const timers = vi.getTimerCount()
    ssr.use(presently(client))
    const html = await renderToString(ssr)
    expect(html).toContain('Ben')
    expect(html).toContain('aria-label="Unknown"')
    expect(server.asked).toEqual([])
    expect(vi.getTimerCount()).toBe(timers)
  })
})

describe('components', () => {
  test('show text as text, whatever it is, and have no inline styles', async () => {
    const evil = '<img src=x onerror=alert(1)>'
    server.states.set('ben', presence('ben', 'busy', { custom: { text: evil }, profile: { name: '"><script>alert(1)</script>' } }))
    await mount(() => h(UserPresence, { userId: 'ben' }))
    expect(box.querySelector('img, script')).toBeNull()
    expect(box.textContent).toContain(evil)
    expect(box.innerHTML).not.toContain('style=')
    expect(box.querySelector('svg')!.getAttribute('aria-label')).toBe('Busy')
  })

  test('StatusDot and LastSeen', async () => {
    server.states.set('ben', presence('ben', 'offline', { lastSeenAt: new Date(Date.now() - 3600_000).toISOString() }))
    await mount(() => [h(StatusDot, { status: 'online', stale: true }), h(LastSeen, { userId: 'ben' })])
    expect(box.querySelector('svg')!.getAttribute('aria-label')).toBe('Online (last known)')
    expect(box.querySelector('time')!.textContent).toBe('Last seen 1h ago')
    await settle(3600_000)
    expect(box.querySelector('time')!.textContent).toBe('Last seen 2h ago')
  })

  test('UserList and TypingIndicator', async () => {
    server.rooms.set('lobby', { members: [presence('ben'), presence('cyd')], count: 2, rev: ++FakeServer.rev })
    await mount(() => [h(UserList, { room: 'lobby' }), h(TypingIndicator, { room: 'lobby' })])
    expect([...box.querySelectorAll('li')].map((li) => li.textContent!.trim())).toEqual(['ben', 'cyd'])
    await send('typing', { room: 'lobby', typing: [{ userId: 'ben', expiresAt: new Date(Date.now() + 6000).toISOString() }] }, '1')
    expect(box.querySelector('[role=status]')!.textContent).toBe('ben is typing…')
  })

  test('PrivacySettings reads, saves, and says when it could not', async () => {
    const saved = vi.fn()
    await mount(() => h(PrivacySettings, { onChange: saved }))
    const online = box.querySelector('select')!
    expect(online.value).toBe('everyone')
    const choose = async (value: string) => {
      online.value = value
      online.dispatchEvent(new Event('change'))
      await settle()
    }
    await choose('contacts')
    expect(server.of('PUT', /privacy/).at(-1)!.body.online).toBe('contacts')
    expect(saved).toHaveBeenCalledTimes(1)
    server.refuse('PUT', /privacy/, 503)
    await choose('nobody')
    expect(online.value).toBe('contacts')
    expect(box.querySelector('[role=alert]')!.textContent).toContain('could not be saved')
  })
})
