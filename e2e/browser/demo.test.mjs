// The demo, in a real Chromium against the real server: what people see of one another, and what pages go through.
import assert from 'node:assert/strict'
import { describe } from 'node:test'
import axe from 'axe-core'
import { choose, live, open, openWithToken, OUTAGE, row, sees, sessions, until } from './browser.mjs'
import { SECRET, startBroken, startRedis, startServer } from './server.mjs'
import { prepare, story, watchFor, watchLateness } from './story.mjs'

prepare()

const PRODUCTION = { JWT_SECRET: SECRET, DEMO: 'on' }
const SHORT = { TTL: '3s', HEARTBEAT: '1s', GRACE: '500ms' }

// Most of the time they wait.
describe('the demo', { concurrency: 3 }, () => {
  // These hide, freeze and crash real tabs, of which one is in front.
  describe('real tabs', { concurrency: 1 }, () => {
    // Who of some tabs has the lock by which one leads.
    const whoLeads = async (tabs) => {
      for (const tab of tabs) {
        const leads = await tab.evaluate(async () => {
          const mine = 'mine' + Math.random()
          return navigator.locks.request(mine, {}, async () => {
            const { held } = await navigator.locks.query()
            const me = held.find(({ name }) => name === mine).clientId
            return held.some(({ name, clientId }) => clientId === me && /^presently:.*:ada$/.test(name))
          })
        })
        if (leads) return tab
      }
    }

    // In a page: notes when it was given the lock.
    const noteLead = (user) => {
      if (!navigator.locks || globalThis.ledAt) return // on about:blank; or once is enough
      const request = navigator.locks.request.bind(navigator.locks)
      globalThis.ledAt = []
      navigator.locks.request = (name, options, held) =>
        request(name, options, (lock) => {
          const answer = held(lock)
          // What it has not waited for any more it gives back at once.
          if (name.startsWith('presently:') && name.endsWith(':' + user) && answer) globalThis.ledAt.push(Date.now())
          return answer
        })
    }

    for (const [how, end] of Object.entries({
      'is closed without a word': async (leader) => {
        const since = Date.now()
        await leader.close()
        return since
      },
      'crashes': async (leader) => {
        const cdp = await leader.context().newCDPSession(leader)
        const gone = leader.waitForEvent('crash')
        const since = Date.now()
        cdp.send('Page.crash').catch(() => {})
        await gone
        return since
      },
      'is frozen': async (leader) => {
        const cdp = await leader.context().newCDPSession(leader)
        const since = Date.now()
        await cdp.send('Page.setWebLifecycleState', { state: 'frozen' })
        return since
      },
      // Not for ever: what hangs for good is never closed.
      hangs: (leader) =>
        leader.evaluate(() => {
          const since = Date.now()
          setTimeout(() => {
            while (Date.now() < since + 9000);
          })
          return since
        }),
    })) {
      story(`another tab takes over when the one that leads ${how}`, SHORT, async ({ url, someone, t }) => {
        const mine = await someone({ real: true })
        await mine.context.addInitScript(noteLead, 'ada')
        const tabs = [await open(mine, url, 'ada'), await open(mine, url, 'ada'), await open(mine, url, 'ada')]
        const ben = await open(await someone(), url, 'ben')
        await sees(ben, 'ada')
        const leader = await until('one leads', () => whoLeads(tabs))
        const others = tabs.filter((tab) => tab !== leader)
        const [{ sessionId }] = await sessions(url, 'ada')
        await ben.evaluate(watchFor, 'ada')
        await Promise.all(others.map((tab) => tab.evaluate(watchLateness)))
        // All of them have the clock of this machine.
        const since = await end(leader)
        await until('another leads', () => whoLeads(others))
        const [took, late] = await Promise.all([
          Promise.all(others.map((tab) => tab.evaluate(() => globalThis.ledAt))).then((at) => Math.min(...at.flat().filter((at) => at >= since)) - since),
          Promise.all(others.map((tab) => tab.evaluate(() => globalThis.late))).then((late) => Math.round(Math.min(...late))),
        ])
        t.diagnostic(`another led after ${took} ms; timers of a page in front were up to ${late} ms late`)
        // Two timers have to run out.
        assert.ok(took <= 2000 + 2 * late, `it took ${took} ms`)
        await Promise.all(others.map((tab) => live(tab)))
        // It hears, and is heard, in the same session; nobody saw ada go.
        await choose(ben, 'Busy')
        await Promise.all(others.map((tab) => sees(tab, 'ben', { status: 'busy' })))
        const beaten = (await sessions(url, 'ada'))[0].seq
        await until('it beats', async () => (await sessions(url, 'ada'))[0]?.seq > beaten + 3500)
        assert.deepEqual((await sessions(url, 'ada')).map((session) => session.sessionId), [sessionId])
        assert.equal(await ben.evaluate(() => globalThis.lost), 0, 'ben saw ada go')
      })
    }

    story('a page that was frozen for more than a TTL comes back', SHORT, async ({ url, someone }) => {
      const ada = await open(await someone({ real: true }), url, 'ada')
      const ben = await open(await someone(), url, 'ben')
      await sees(ada, 'ben')
      const cdp = await ada.context().newCDPSession(ada)
      await cdp.send('Page.setWebLifecycleState', { state: 'frozen' })
      await sees(ben, 'ada', { list: 'gone', status: 'offline' })
      await choose(ben, 'Busy')
      await cdp.send('Page.setWebLifecycleState', { state: 'active' })
      await ada.bringToFront()
      await live(ada)
      await sees(ada, 'ben', { status: 'busy' })
      await sees(ben, 'ada', { status: 'online' })
    })

    story('a page comes back from the back-forward cache as it was, and catches up', SHORT, async ({ url, someone }) => {
      const ada = await open(await someone({ real: true }), url, 'ada')
      const ben = await open(await someone(), url, 'ben')
      await sees(ada, 'ben')
      // Playwright does not know a page any more that has come back so.
      const cdp = await ada.context().newCDPSession(ada)
      const ask = async (expression) => (await cdp.send('Runtime.evaluate', { expression, returnByValue: true })).result.value
      await ask("globalThis.kept = true, addEventListener('pageshow', ({ persisted }) => (globalThis.persisted = persisted))")
      await ada.goto(url + '/docs')
      await sees(ben, 'ada', { list: 'gone', status: 'offline' })
      await choose(ben, 'Busy')
      await ask('history.back()')
      await until('it is back', async () => (await ask('location.search')) === '?as=ada')
      assert.ok(await until('it is shown', () => ask('globalThis.kept && globalThis.persisted'), 5000).catch(() => false), 'it was loaded anew: ' + (await ask("JSON.stringify(performance.getEntriesByType('navigation')[0]?.notRestoredReasons ?? null)")))
      await until('it is live, and sees ben', () => ask("!!document.querySelector('#connection[data-status=live]') && !!document.querySelector('#here [data-user=ben][data-status=busy]')"))
      await sees(ben, 'ada', { status: 'online' })
    })

    story('a tab that is hidden keeps beating, and says that it is', { ...SHORT, TTL: '4s' }, async ({ url, someone }) => {
      const mine = await someone({ real: true })
      const ada = await open(mine, url, 'ada')
      const ben = await open(await someone(), url, 'ben')
      await sees(ben, 'ada')
      const front = await mine.newPage()
      await front.bringToFront()
      await until('it is hidden', () => ada.evaluate(() => document.visibilityState === 'hidden'))
      const said = await until('the server knows', async () => (await sessions(url, 'ada')).find(({ visibility }) => visibility === 'hidden'))
      await until('it has beaten for longer than a hidden session is believed', async () => (await sessions(url, 'ada'))[0]?.seq > said.seq + 7500)
      await sees(ben, 'ada', { status: 'online' })
      await choose(ben, 'Busy')
      await ada.bringToFront()
      await until('it is visible', () => ada.evaluate(() => document.visibilityState === 'visible'))
      await sees(ada, 'ben', { status: 'busy' })
    })
  })

  story('two people see each other come, type, go busy and go', {}, async ({ url, someone }) => {
    const ada = await open(await someone(), url, 'ada')
    await sees(ada, 'ben', { list: 'gone' })
    const ben = await open(await someone(), url, 'ben')
    await sees(ada, 'ben', { status: 'online', text: 'Online' })
    await sees(ben, 'ada', { status: 'online' })
    await ada.locator('#news', { hasText: 'Ben is here.' }).waitFor({ state: 'attached' })
    assert.equal(await row(ada, 'ben').getByRole('img', { name: 'Online' }).count(), 1, 'the dot says nothing to a screen reader')

    await ben.getByLabel('Write something').pressSequentially('hello')
    await ada.getByText('Ben is typing…').waitFor()
    await ben.getByLabel('Write something').blur()
    await ada.getByText('Ben is typing…').waitFor({ state: 'hidden' })

    // By the keyboard alone.
    await ben.getByRole('radio', { name: 'Away' }).focus()
    await ben.keyboard.press('ArrowDown')
    await sees(ada, 'ben', { status: 'busy', text: 'Busy' })
    await ben.getByLabel('What you say').fill('Standup')
    await ben.getByLabel('Emoji').fill('☕')
    await ben.keyboard.press('Enter')
    await sees(ada, 'ben', { text: '☕Standup' })
    await ben.getByLabel('What you do').selectOption('In a call')
    await sees(ada, 'ben', { text: 'In a call' })

    await choose(ben, 'Invisible')
    await sees(ada, 'ben', { list: 'gone', status: 'offline' })
    await sees(ben, 'ben', { status: 'invisible' })
    await choose(ben, 'Automatic')
    await sees(ada, 'ben', { status: 'online' })

    await ben.close({ runBeforeUnload: true })
    await sees(ada, 'ben', { list: 'gone', status: 'offline', text: 'Last seen just now' })
  })

  story('privacy, reasons and leaving', {}, async ({ url, someone }) => {
    const ada = await open(await someone(), url, 'ada')
    const ben = await open(await someone(), url, 'ben')
    await sees(ada, 'ben', { text: 'Viewing the team room' })
    await ben.getByText('Privacy', { exact: true }).click()
    await ben.getByLabel('What I do').selectOption('Nobody')
    await row(ada, 'ben').getByText('Viewing').waitFor({ state: 'hidden' })
    await ben.getByText('Why you look like this').click()
    await ben.getByText('The one live session decides').waitFor()
    await ben.getByLabel('Seen by').selectOption('Ada')
    await ben.locator('#explain', { hasText: 'To ada: Online' }).waitFor()
    await ben.getByRole('button', { name: 'Leave' }).click()
    await sees(ada, 'ben', { list: 'gone', status: 'offline' })
    await ben.getByText('You have left').waitFor()
    await ben.getByRole('button', { name: 'Come back' }).click()
    await sees(ada, 'ben', { status: 'online' })
  })

  story('whatever people write is text', PRODUCTION, async ({ url, someone }) => {
    const xss = (where) => `"><img src=x onerror=alert("${where}")><script>alert(1)</script>`
    const ada = await openWithToken(await someone(), url, 'ada', 'Ada')
    const evil = await openWithToken(await someone(), url, '"><svg onload=alert(1)>', xss('name'))
    const proto = await openWithToken(await someone(), url, '__proto__', '<b>constructor</b>')
    await sees(ada, '"><svg onload=alert(1)>', { text: xss('name') })
    await sees(ada, '__proto__', { text: '<b>constructor</b>' })
    const say = (method, path, body) =>
      evil.evaluate(
        async ([method, path, body, token]) => {
          const answer = await fetch(path, { method, headers: { Authorization: token, 'Content-Type': 'application/json' }, body: JSON.stringify(body) })
          if (!answer.ok) throw new Error(await answer.text())
        },
        [method, path, body, bearer],
      )
    const bearer = /Bearer [\w.-]+/.exec(await evil.locator('#line-1').textContent())[0]
    const sessionId = await evil.evaluate(async (token) => (await (await fetch('/v1/presence/me/explain', { headers: { Authorization: token } })).json()).sessions[0].sessionId, bearer)
    await say('PUT', '/v1/presence/custom', { text: xss('custom').slice(0, 100), emoji: '<img src=x onerror=a(1)>' })
    await say('PUT', '/v1/presence/privacy', { online: 'everyone', lastSeen: 'everyone', activity: 'everyone', typing: 'everyone' })
    await say('PUT', '/v1/presence/activity', { sessionId, type: 'custom', label: xss('label').slice(0, 100), target: xss('target') })
    await sees(ada, '"><svg onload=alert(1)>', { text: xss('custom').slice(0, 100) })
    await sees(ada, '"><svg onload=alert(1)>', { text: xss('label').slice(0, 100) })
    await evil.getByLabel('Write something').pressSequentially('x')
    await ada.locator('#typing-text', { hasText: xss('name') }).waitFor()
    await evil.getByText('Why you look like this').click()
    await evil.locator('#explain table').waitFor()
    await evil.close({ runBeforeUnload: true })
    await sees(ada, '"><svg onload=alert(1)>', { list: 'gone', text: xss('name') })
    for (const page of [ada, proto]) {
      assert.equal(await page.locator('body :is(img, b:not(.head b), svg:not(.dot), [onerror], [onload])').count(), 0)
      assert.equal(await page.locator('script').count(), 1)
      assert.equal(await page.evaluate(() => ({}).rev), undefined)
    }
  })

  story('people at different instances see each other', null, async ({ someone }) => {
    const settings = { ...PRODUCTION, REDIS_URL: await startRedis() }
    const [a, b] = await Promise.all([startServer(settings), startServer(settings)])
    const ada = await openWithToken(await someone(), a.url, 'ada', 'Ada')
    const ben = await openWithToken(await someone(), b.url, 'ben', 'Ben')
    await sees(ada, 'ben', { status: 'online', text: 'Ben' })
    await sees(ben, 'ada', { status: 'online', text: 'Ada' })
    await choose(ben, 'Busy')
    await sees(ada, 'ben', { status: 'busy' })
    await ada.getByLabel('Write something').pressSequentially('hello')
    await ben.getByText('Ada is typing…').waitFor()
    await ada.close({ runBeforeUnload: true })
    await sees(ben, 'ada', { list: 'gone', status: 'offline' })
    await Promise.all([a.crash(), b.crash()])
  })

  // A browser has six connections to a server that speaks HTTP/1.1. With a stream each, the seventh tab would hang, and its heartbeats with it.
  story('a dozen tabs are one session, which beats', SHORT, async ({ url, someone }) => {
    const mine = await someone()
    const tabs = []
    for (let i = 0; i < 4; i++) tabs.push(...(await Promise.all([1, 2, 3].map(() => open(mine, url, 'ada')))))
    const ben = await open(await someone(), url, 'ben')
    await sees(ben, 'ada', { status: 'online' })
    const all = await sessions(url, 'ada')
    assert.equal(all.length, 1, `sessions: ${JSON.stringify(all)}`)
    // For more than two TTLs: whoever does not beat is not seen any more.
    const seq = all[0].seq
    await ben.evaluate(watchFor, 'ada')
    await until('ada has beaten for two TTLs', async () => (await sessions(url, 'ada'))[0]?.seq > seq + 6500)
    assert.equal(await ben.evaluate(() => globalThis.lost), 0, 'ada was away for a moment')
    // And the last of them can still ask for things, which all the others see.
    await choose(tabs.at(-1), 'Busy')
    for (const tab of [tabs[0], tabs[5], ben]) await sees(tab, 'ada', { status: 'busy' })
  })

  // Both restarts are real: the process ends, whoever asks meanwhile is told 503 as by a proxy, and another process comes up on the same port.
  story('a server that crashes, is 503 for a while and comes back without memory makes nobody offline', null, async ({ someone }) => {
    let server = await startServer()
    const { url, port } = server
    const ada = await open(await someone({ expected: OUTAGE }), url, 'ada')
    const ben = await open(await someone({ expected: OUTAGE }), url, 'ben')
    await sees(ada, 'ben', { status: 'online' })
    await ada.evaluate(watchFor, 'ben')
    await server.crash()
    const broken = await startBroken(port)
    await sees(ada, 'ben', { status: 'online', stale: true })
    await ada.getByText('People are shown as they were').waitFor()
    await until('it was asked again', () => broken.asked >= 4)
    await sees(ada, 'ben', { status: 'online', stale: true })
    assert.equal(await ada.evaluate(() => globalThis.lost), 0, 'ben was shown as gone while the server was away')
    await broken.stop()
    server = await startServer({}, port)
    // With a new secret: tokens and subscription are another server's.
    await Promise.all([live(ada), live(ben)])
    await sees(ada, 'ben', { status: 'online', text: 'Viewing' })
    await sees(ben, 'ada', { status: 'online' })
    await server.crash()
  })

  story('a server that is stopped in good order, is 503 for a while and comes back goes on where it was', null, async ({ someone }) => {
    const settings = { ...PRODUCTION, REDIS_URL: await startRedis(), DRAIN: '1s', TTL: '60s' }
    let server = await startServer(settings)
    const { url, port } = server
    const ada = await openWithToken(await someone({ expected: OUTAGE }), url, 'ada', 'Ada')
    const ben = await openWithToken(await someone({ expected: OUTAGE }), url, 'ben', 'Ben')
    const log = (page) => page.locator('#log li').evaluateAll((lines) => lines.map((line) => [line.dataset.event, line.querySelector('code').textContent]))
    await sees(ada, 'ben', { status: 'online' })
    await choose(ben, 'Busy')
    await sees(ada, 'ben', { status: 'busy' })
    await Promise.all([ada, ben].map((page, i) => page.evaluate(watchFor, ['ben', 'ada'][i])))
    await server.stop()
    const broken = await startBroken(port)
    await until('it was asked again', () => broken.asked >= 4)
    await sees(ada, 'ben', { status: 'busy', stale: true })
    await broken.stop()
    server = await startServer(settings, port)
    await Promise.all([live(ada), live(ben)])
    await sees(ada, 'ben', { status: 'busy' })
    await choose(ben, 'Away')
    await sees(ada, 'ben', { status: 'away' })
    // Told to go, and resumed by the id of the last event. Nobody was gone at any time.
    const told = await log(ada)
    assert.ok(told.some(([event, data]) => event === 'reconnect' && data.includes('drain')), 'nobody was told of the end: ' + JSON.stringify(told))
    assert.ok(told.filter(([event]) => event === 'hello').at(-1)[1].includes('"resumed":true'), 'it did not go on where it was: ' + JSON.stringify(told))
    assert.deepEqual(await Promise.all([ada, ben].map((page) => page.evaluate(() => globalThis.lost))), [0, 0])
    await server.crash()
  })

  for (const [look, options] of Object.entries({
    light: { colorScheme: 'light' },
    dark: { colorScheme: 'dark' },
    narrow: { colorScheme: 'light', viewport: { width: 320, height: 800 } },
  })) {
    story(`nothing of it is out of reach of a screen reader, a keyboard or weak eyes: ${look}`, {}, async ({ url, someone }) => {
      const ada = await open(await someone(options), url, 'ada')
      const ben = await open(await someone(), url, 'ben')
      await choose(ben, 'Do not disturb')
      await ben.getByRole('button', { name: 'Coffee' }).click()
      await sees(ada, 'ben', { status: 'dnd', text: 'Coffee' })
      await ben.getByLabel('Write something').pressSequentially('x')
      await ada.evaluate(() => document.querySelectorAll('details').forEach((details) => (details.open = true)))
      await ada.locator('#explain table').waitFor()
      await ada.evaluate(axe.source)
      const { violations } = await ada.evaluate(() => globalThis.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }))
      assert.deepEqual(violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ target, failureSummary }) => `${target} ${failureSummary}`).join('; ')}`), [])
    })
  }

  story('it fits narrow windows', {}, async ({ url, someone }) => {
    const ada = await open(await someone({ viewport: { width: 320, height: 700 } }), url, 'ada')
    await ada.evaluate(() => document.querySelectorAll('details').forEach((details) => (details.open = true)))
    await ada.locator('#explain table').waitFor()
    assert.ok(await ada.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'it scrolls sideways')
  })
})
