// The documentation, in a real Chromium against the real server: reading, finding, trying, and the page that is shown whole.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { after, before, describe, test } from 'node:test'
import { launch, newBrowser } from './browser.mjs'
import { build, cleanUp, freePort, SECRET, startServer, token } from './server.mjs'

let browser
before(async () => {
  build()
  browser = await launch()
})
after(async () => {
  await browser?.close()
  await cleanUp()
})

/** Runs a story with a server of its own, and a browser of which nothing may go wrong. */
function story(name, settings, tell, options = {}) {
  test(name, { timeout: 60_000 }, async () => {
    const server = await startServer(settings)
    const mine = await newBrowser(browser, options)
    try {
      await tell({ url: server.url, mine })
      assert.deepEqual(mine.wrong(), [])
    } finally {
      await mine.close()
      await server.crash()
    }
  })
}

const NARROW = { viewport: { width: 360, height: 740 } }

describe('the documentation', { concurrency: 3 }, () => {
  story('is searched and walked with keys alone', {}, async ({ url, mine }) => {
    const page = await mine.newPage()
    await page.goto(url + '/docs')
    await page.keyboard.press('Tab')
    assert.equal(await page.evaluate(() => document.activeElement.textContent), 'To the text')
    await page.keyboard.press('/')
    await page.keyboard.type('if-match privacy')
    await page.getByRole('option').first().waitFor()
    await page.keyboard.press('ArrowDown')
    await page.locator('[role=option][aria-selected=true]').waitFor()
    await page.keyboard.press('Enter')
    await page.waitForURL(/\/docs\/\S+/)
    await page.keyboard.press('/')
    await page.keyboard.type('zzzznothing')
    await page.getByText('Nothing has all of these words.').waitFor()
    await page.keyboard.press('Escape')
    assert.equal(await page.locator('#found').isVisible(), false)
  })

  story('leads from the type of a problem to what to do about it', {}, async ({ url, mine }) => {
    const page = await mine.newPage()
    const { type } = await (await fetch(url + '/v1/presence/me')).json()
    await page.goto(url + type)
    await page.waitForURL(/\/docs\/errors#missing_token$/)
    await page.locator('#missing_token').waitFor()
  })

  story('fits a phone, and shows its pages there', {}, async ({ url, mine }) => {
    const page = await mine.newPage()
    for (const path of ['', '/api/people', '/errors', '/migrating', '/operating']) {
      await page.goto(url + '/docs' + path)
      const [wide, inner] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth])
      assert.ok(wide <= inner, `${path} is ${wide} wide on ${inner}`)
    }
    await page.getByRole('button', { name: 'Pages' }).click()
    await page.getByRole('navigation').getByRole('link', { name: 'Quick start' }).click()
    await page.waitForURL(/quickstart$/)
  }, NARROW)

  story('has a reference that is tried with the token of development', {}, async ({ url, mine }) => {
    const page = await mine.newPage()
    await page.goto(url + '/docs/reference#get-/v1/presence/me')
    await page.getByText('A token for development is filled in').waitFor()
    await page.getByRole('button', { name: 'Try' }).click()
    await page.getByText('Response Status: OK').or(page.getByText(/Status:\s*200|200/).first()).first().waitFor()
    await page.getByText('"userId"').or(page.getByText('userId')).first().waitFor()
  })

  story('gives no token in production', { JWT_SECRET: SECRET }, async ({ url, mine }) => {
    assert.equal((await fetch(url + '/docs/token.json')).status, 404)
    const page = await mine.newPage()
    await page.goto(url + '/docs/reference')
    await page.getByText('heartbeat').first().waitFor()
    assert.equal(await page.locator('#token').textContent(), '')
  }, { expected: [/404/] })

  test('shows a whole page without our client, which works', { timeout: 60_000 }, async () => {
    const text = readFileSync(new URL('../../docs/browsers.md', import.meta.url), 'utf8')
    const html = /```html\n([^]*?)```/.exec(text)[1]
    const port = await freePort()
    const server = await startServer({ JWT_SECRET: SECRET, CORS_ORIGINS: `http://localhost:${port}` })
    const pages = createServer((request, answer) => answer.setHeader('Content-Type', 'text/html').end(request.url === '/page.html' ? html.replace('http://localhost:8080', server.url) : ''))
    await new Promise((resolve) => pages.listen(port, '127.0.0.1', resolve))
    const [hers, his] = [await newBrowser(browser), await newBrowser(browser)]
    try {
      const visit = async (who, user, name) => {
        const page = await who.newPage()
        await page.goto(`http://localhost:${port}/page.html#${token(user, name)}`)
        await page.getByText('live').waitFor()
        return page
      }
      const ada = await visit(hers, 'ada', 'Ada')
      const ben = await visit(his, 'ben', 'Ben')
      await ada.getByText('Ben: online').waitFor()
      await ben.getByText('Ada: online').waitFor()
      await ben.goto('about:blank')
      await ada.getByText('Ben: online').waitFor({ state: 'detached' })
      await ada.getByText('Ada: online').waitFor()
      assert.deepEqual([...hers.wrong(), ...his.wrong()], [])
    } finally {
      await hers.close()
      await his.close()
      await server.crash()
      pages.closeAllConnections()
      pages.close()
    }
  })
})
