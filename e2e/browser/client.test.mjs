// The client by itself, in a page of another origin, and what whole browsers go through.
import assert from 'node:assert/strict'
import { after, before, describe } from 'node:test'
import { launch, OUTAGE, open, sees, sessions, until } from './browser.mjs'
import { compare, insaneStreams, joinIn, startPages, statusOf } from './pages.mjs'
import { PATIENCE, SECRET, startServer, token } from './server.mjs'
import { prepare, story, watchFor, watchLateness } from './story.mjs'

prepare()

const STREAMS = insaneStreams(150)
let pages
before(async () => (pages = await startPages(STREAMS)))
after(() => pages?.stop())

/** Settings of a server whom pages of our application may ask. */
const forPages = (more = {}) => ({ JWT_SECRET: SECRET, CORS_ORIGINS: pages.url, ...more })

/** Opens the application as somebody. */
async function openPage(someone, options) {
  const page = await someone.newPage()
  await page.goto(pages.url)
  await page.waitForFunction(() => globalThis.presently)
  if (options) await page.evaluate(joinIn, options)
  return page
}

const isShown = (page, user, status) => page.waitForFunction(([user, status]) => globalThis.client.getPresence(user)?.status === status && globalThis.client.status === 'live', [user, status], { timeout: PATIENCE })

describe('the client', { concurrency: 3 }, () => {
  // Longest first. Timers that other timers have set come once a minute in a hidden tab, after some minutes; here after some seconds.
  story('a tab that is hidden for long beats on, where one that beats by setInterval is lost', null, async ({ someone, t }) => {
    // Believed, when hidden, for 25 s.
    const server = await startServer(forPages({ TTL: '15s', HEARTBEAT: '5s', GRACE: '500ms' }))
    const { url } = server
    const browser = await launch('--enable-features=IntensiveWakeUpThrottling:grace_period_seconds/2')
    const mine = await someone({ within: browser, real: true })
    const ours = await openPage(mine, { url, token: token('ada') })
    const naive = await openPage(mine)
    const front = await openPage(mine, { url, token: token('ben'), watched: ['ada', 'cyd'] })
    await naive.evaluate(
      ({ url, token }) => {
        globalThis.beats = 0
        const beat = () => {
          globalThis.beats++
          const body = JSON.stringify({ sessionId: 'by-set-interval', visibility: document.visibilityState })
          void fetch(url + '/v1/presence/heartbeat', { method: 'POST', body, headers: { Authorization: 'Bearer ' + token, 'Content-Type': 'application/json' } })
        }
        setInterval(beat, 5000)
        beat()
      },
      { url, token: token('cyd') },
    )
    await front.bringToFront()
    for (const user of ['ada', 'cyd']) await isShown(front, user, 'online')
    for (const page of [ours, naive]) await until('it is hidden', () => page.evaluate(() => document.visibilityState === 'hidden'))
    await front.evaluate(() => {
      globalThis.seen = []
      globalThis.client.onPresence('user:ada', ({ presence }) => globalThis.seen.push(presence.status))
    })
    await ours.evaluate(() => {
      globalThis.beats = 0
      globalThis.client.addEventListener('beat', () => globalThis.beats++)
    })
    const before = await naive.evaluate(() => globalThis.beats)
    const since = Date.now()
    // A minute may begin just when it has to, and then the next is too late.
    await front.waitForFunction(() => globalThis.client.getPresence('cyd')?.status === 'offline', undefined, { timeout: 130_000 })
    const took = Math.round((Date.now() - since) / 1000)
    const [own, others] = [await ours.evaluate(() => globalThis.beats), (await naive.evaluate(() => globalThis.beats)) - before]
    const seen = await front.evaluate(() => globalThis.seen)
    t.diagnostic(`in ${took} s hidden: ${own} heartbeats of the client, seen as ${seen.join(', ')}; ${others} by setInterval, and then lost`)
    assert.deepEqual([...new Set(seen)], ['online'])
    assert.equal(await front.evaluate(statusOf, 'ada'), 'online')
    assert.ok(own > others, 'the client has beaten no more than a page by itself')
    await browser.close()
    await server.crash()
  }, 200_000)

  story('a laptop that sleeps for longer than it is believed is gone, and back when it wakes', { TTL: '3s', HEARTBEAT: '1s', GRACE: '500ms' }, async ({ url, someone }) => {
    const laptop = await launch()
    const ada = await open(await someone({ within: laptop, expected: OUTAGE }), url, 'ada')
    const ben = await open(await someone(), url, 'ben')
    await sees(ben, 'ada', { status: 'online' })
    const [{ sessionId }] = await sessions(url, 'ada')
    laptop.signal('SIGSTOP')
    await sees(ben, 'ada', { list: 'gone', status: 'offline' })
    laptop.signal('SIGCONT')
    await sees(ben, 'ada', { status: 'online' })
    await sees(ada, 'ben', { status: 'online' })
    assert.deepEqual((await sessions(url, 'ada')).map((session) => session.sessionId), [sessionId])
    await laptop.close()
  })

  story('a browser that crashes leaves a ghost, for as long as a session is believed and no longer', { TTL: '3s', HEARTBEAT: '1s', GRACE: '500ms' }, async ({ url, someone, t }) => {
    const doomed = await launch()
    await open(await someone({ within: doomed }), url, 'ada')
    const ben = await open(await someone(), url, 'ben')
    await sees(ben, 'ada', { status: 'online' })
    await ben.evaluate(watchFor, 'ada')
    await ben.evaluate(watchLateness)
    const since = Date.now()
    doomed.signal('SIGKILL')
    await sees(ben, 'ada', { list: 'gone', status: 'offline' })
    const { lostAt, late } = await ben.evaluate(() => ({ lostAt: globalThis.lostAt, late: globalThis.late }))
    t.diagnostic(`the ghost was there for ${lostAt - since} ms; timers were up to ${Math.round(late)} ms late`)
    // 3 s, a sweep of 1 s, and 250 ms for which changes are gathered.
    assert.ok(lostAt - since <= 4250 + 500 + 2 * late, `the ghost was there for ${lostAt - since} ms`)
  })

  story('native EventSource brings the same, by a ticket and across origins, and comes back where it would give up', null, async ({ someone }) => {
    let server = await startServer(forPages())
    const { url, port } = server
    const native = await openPage(await someone({ expected: OUTAGE }), { url, token: token('ada'), watched: ['ben'], native: true })
    const asked = []
    native.on('request', (request) => request.resourceType() === 'eventsource' && asked.push(request.url()))
    const other = await openPage(await someone({ expected: OUTAGE }), { url, token: token('ben'), watched: ['ada'] })
    await isShown(native, 'ben', 'online')
    await isShown(other, 'ada', 'online')
    await other.evaluate(() => globalThis.client.setStatus('busy'))
    await isShown(native, 'ben', 'busy')
    // The new one knows neither ticket nor session: a native EventSource would be told 410, and close for good.
    await server.crash()
    await native.waitForFunction(() => globalThis.client.connection.stale)
    assert.equal(await native.evaluate(statusOf, 'ben'), 'busy', 'stale, and not offline')
    server = await startServer(forPages(), port)
    await isShown(native, 'ben', 'online')
    assert.ok(asked.length > 0 && asked.every((url) => /[?&]ticket=/.test(url) && !/eyJ/.test(url)), 'asked: ' + asked)
    assert.ok(!(await native.evaluate(() => globalThis.errors)).includes('event'))
    await server.crash()
  })

  story('the parser says what EventSource says, on streams that are far from sane', null, async ({ someone, t }) => {
    const page = await openPage(await someone())
    const { events, differ } = await page.evaluate(compare, STREAMS.length)
    t.diagnostic(`${STREAMS.length} streams, ${events} events, ${differ.length} differ`)
    assert.deepEqual(differ.map((each) => ({ ...each, stream: STREAMS[each.n].toString() })), [])
    assert.ok(events > 2 * STREAMS.length, 'the streams say too little')
  })
})
