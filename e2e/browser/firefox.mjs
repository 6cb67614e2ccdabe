// The same in Debian's Firefox, driven by WebDriver BiDi: npm run firefox, or make browser-firefox. Not a part of make test, whose machines have no Firefox.
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import puppeteer from 'puppeteer-core'
import { OUTAGE, sessions } from './browser.mjs'
import { compare, insaneStreams, joinIn, startPages } from './pages.mjs'
import { build, cleanUp, PATIENCE, SECRET, startServer, token, until } from './server.mjs'

const executablePath = ['/usr/bin/firefox-esr', '/usr/bin/firefox'].find(existsSync)
const STREAMS = insaneStreams(150)
const SHORT = { TTL: '3s', HEARTBEAT: '1s', GRACE: '500ms' }

let browser, pages
before(async () => {
  assert.ok(executablePath, 'there is no Firefox here: apt-get install firefox-esr')
  build()
  pages = await startPages(STREAMS)
  browser = await puppeteer.launch({ browser: 'firefox', executablePath, headless: true, timeout: 120_000, protocolTimeout: 120_000 })
})
after(async () => {
  await browser?.close()
  pages?.stop()
  await cleanUp()
})

/** Runs a story with a server of its own, in pages of which nothing may go wrong. */
function story(name, settings, tell) {
  test(name, { timeout: 180_000 }, async (t) => {
    let server = await startServer(settings)
    const contexts = []
    const wrong = []
    const newPage = async (context) => {
      const page = await context.newPage()
      page.setDefaultTimeout(PATIENCE)
      page.on('pageerror', (error) => wrong.push(String(error)))
      page.on('console', (message) => message.type() === 'error' && !OUTAGE.some((one) => one.test(message.text())) && wrong.push(message.text()))
      return page
    }
    /** Somebody with a browser of his own. */
    const someone = async () => {
      contexts.push(await browser.createBrowserContext())
      return contexts.at(-1)
    }
    const open = async (as, context) => {
      const page = await newPage(context ?? (await someone()))
      await page.goto(`${server.url}/?as=${as}`)
      await page.waitForSelector('#connection[data-status=live]')
      return page
    }
    const restart = async () => {
      await server.crash()
      return async () => (server = await startServer(settings, server.port))
    }
    try {
      await tell({ url: server.url, someone, open, newPage, restart, t })
      assert.deepEqual(wrong, [])
    } finally {
      await Promise.all(contexts.map((context) => context.close().catch(() => {})))
      await server.crash()
    }
  })
}

const shows = (page, user, status, list = 'here') => page.waitForSelector(`#${list} .person[data-user=${user}][data-status=${status}][data-stale=false]`)
const choose = (page, value) => page.$eval(`input[name=status][value=${value}]`, (radio) => radio.click())

describe('Firefox', () => {
  story('two people see each other come, type, go busy and go', {}, async ({ open }) => {
    const ada = await open('ada')
    const ben = await open('ben')
    await Promise.all([shows(ada, 'ben', 'online'), shows(ben, 'ada', 'online')])
    await ben.type('#pad', 'hello')
    await ada.waitForFunction(() => document.querySelector('#typing-text').textContent === 'Ben is typing…')
    await ben.$eval('#pad', (pad) => pad.blur())
    await ada.waitForFunction(() => document.querySelector('#typing-text').textContent === '')
    await choose(ben, 'busy')
    await shows(ada, 'ben', 'busy')
    // Leaving by a keepalive fetch: sooner than a session is believed, which is 90 s.
    await ben.close({ runBeforeUnload: true })
    await shows(ada, 'ben', 'offline', 'gone')
  })

  story('a dozen tabs are one session, which beats, and goes on when the tab that leads is closed', SHORT, async ({ url, someone, open }) => {
    const mine = await someone()
    const tabs = []
    for (let i = 0; i < 12; i++) tabs.push(await open('ada', mine))
    const ben = await open('ben')
    await shows(ben, 'ada', 'online')
    const [{ sessionId, seq }, ...others] = await sessions(url, 'ada')
    assert.deepEqual(others, [])
    await tabs[0].close()
    await until('it has beaten for two TTLs', async () => (await sessions(url, 'ada'))[0]?.seq > seq + 6500)
    assert.deepEqual((await sessions(url, 'ada')).map((session) => session.sessionId), [sessionId])
    await choose(tabs.at(-1), 'busy')
    for (const tab of [tabs[1], tabs[5], ben]) await shows(tab, 'ada', 'busy')
  })

  story('a server that is away for a while makes nobody offline', {}, async ({ open, restart }) => {
    const ada = await open('ada')
    await open('ben')
    await shows(ada, 'ben', 'online')
    const start = await restart()
    await ada.waitForSelector('#here .person[data-user=ben][data-status=online][data-stale=true]')
    await start()
    await shows(ada, 'ben', 'online')
  })

  for (const native of [false, true]) {
    story(`across origins, by ${native ? 'native EventSource' : 'fetch'}`, { JWT_SECRET: SECRET, get CORS_ORIGINS() { return pages.url } }, async ({ url, someone, newPage }) => {
      const [ada, ben] = await Promise.all([['ada', 'ben'], ['ben', 'ada']].map(async ([user, other]) => {
        const page = await newPage(await someone())
        await page.goto(pages.url)
        await page.waitForFunction(() => globalThis.presently)
        await page.evaluate(joinIn, { url, token: token(user), watched: [other], native })
        return page
      }))
      const is = (page, user, status) => page.waitForFunction((user, status) => globalThis.client.getPresence(user)?.status === status, {}, user, status)
      await Promise.all([is(ada, 'ben', 'online'), is(ben, 'ada', 'online')])
      await ben.evaluate(() => globalThis.client.setStatus('dnd').then(() => {}))
      await is(ada, 'ben', 'dnd')
      assert.deepEqual(await ada.evaluate(() => globalThis.errors), [])
    })
  }

  story('the parser says what EventSource says, on streams that are far from sane', {}, async ({ someone, newPage, t }) => {
    const page = await newPage(await someone())
    await page.goto(pages.url)
    await page.waitForFunction(() => globalThis.presently)
    const { events, differ } = await page.evaluate(compare, STREAMS.length)
    t.diagnostic(`${STREAMS.length} streams, ${events} events, ${differ.length} differ`)
    assert.deepEqual(differ.map((each) => ({ ...each, stream: STREAMS[each.n].toString() })), [])
  })
})
