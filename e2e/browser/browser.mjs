// A real Chromium, and people in it.
import { existsSync, mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import { chromium } from 'playwright-core'
import { PATIENCE, run, token, until, work } from './server.mjs'

const executablePath = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync)

/**
 * Starts Chromium as people have it: what Playwright switches off so that tests are quick (slow timers, hidden tabs, the
 * back-forward cache) is what these tests are about.
 */
export async function launch(...more) {
  const child = run(executablePath, [
    '--headless=new',
    '--remote-debugging-port=0',
    '--user-data-dir=' + mkdtempSync(join(work, 'chromium-')),
    '--no-first-run',
    '--disable-component-update',
    '--disable-dev-shm-usage',
    '--use-gl=disabled',
    ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []), // which does not work for root
    ...more,
    'about:blank',
  ])
  const [, endpoint] = await until('Chromium listens', () => /DevTools listening on (\S+)/.exec(child.text), 30_000)
  // In the browser's own context (newBrowser with real), pages are hidden when they are.
  const browser = await chromium.connectOverCDP(endpoint, { noDefaults: true })
  return Object.assign(browser, {
    /** Sends a signal to all of its processes, as when the machine sleeps, or the power is cut. */
    signal: (name) => process.kill(-child.pid, name),
  })
}

/**
 * Watches over a page: what its console says, what its policy refused and what was thrown.
 * @param expected what may be said, as when a server is stopped on purpose
 */
export function watchOver(page, expected = []) {
  const wrong = []
  page.on('pageerror', (error) => wrong.push('thrown: ' + error))
  page.on('console', (message) => {
    const text = message.text()
    if (['error', 'warning'].includes(message.type()) && !expected.some((one) => one.test(text))) wrong.push(`${message.type()}: ${text} ${message.location().url}`)
  })
  return wrong
}

/** What goes wrong when the server is away. */
export const OUTAGE = [/Failed to load resource/, /ERR_/]

/**
 * A browser of somebody's own, as on a machine of his own. All pages in it are watched over. There is one `real` one, in which tabs are
 * hidden by others; in the rest every page takes itself for visible and focused.
 */
export async function newBrowser(browser, { expected = [], real = false, ...options } = {}) {
  const context = real ? browser.contexts()[0] : await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options })
  const wrong = []
  const pages = []
  const watch = (page) => {
    pages.push(page)
    wrong.push([page, watchOver(page, expected)])
  }
  context.on('page', watch)
  await context.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (event) => console.error(`refused by policy: ${event.violatedDirective} ${event.blockedURI}`))
  })
  return {
    context,
    newPage: () => context.newPage(),
    /** What went wrong so far. */
    wrong: () => wrong.flatMap(([page, texts]) => texts.map((text) => `${page.url()}: ${text}`)),
    async close() {
      context.off('page', watch)
      if (!real) return context.close()
      await Promise.all(pages.map((page) => page.close()))
    },
  }
}

/** Opens the demo as one of its people. */
export async function open(context, url, as) {
  const page = await context.newPage()
  await page.goto(`${url}/?as=${as}`)
  await live(page)
  return page
}

/** Opens the demo of a server that gives no tokens. */
export async function openWithToken(context, url, user, name) {
  const page = await context.newPage()
  await page.goto(url)
  await page.getByLabel('Token').fill(token(user, name))
  await page.getByRole('button', { name: 'Come in' }).click()
  await live(page)
  return page
}

/** Waits until a page's connection is up. */
export const live = (page, patience = PATIENCE) => page.locator('#connection[data-status=live]').waitFor({ timeout: patience })

/** Somebody's row in the list of those who are here, or of those who are not. */
export const row = (page, user, list = 'here') => page.locator(`#${list} .person[data-user=${JSON.stringify(user)}]`)

/** Waits until somebody is shown so. */
export function sees(page, user, { status, text, list = 'here', stale = false, patience = PATIENCE } = {}) {
  let found = row(page, user, list)
  if (text) found = found.filter({ hasText: text })
  if (status) found = found.and(page.locator(`[data-status=${status}]`))
  found = found.and(page.locator(`[data-stale="${stale}"]`))
  return found.waitFor({ timeout: patience })
}

/** Chooses a status, as with a mouse. */
export const choose = (page, name) => page.locator('label.choice', { hasText: name }).click()

/** How many sessions a user of the demo has, by the server's own reasons. */
export async function sessions(url, user) {
  const { people } = await (await fetch(url + '/home/people.json')).json()
  const { token } = people.find((person) => person.user === user)
  const answer = await fetch(url + '/v1/presence/me/explain', { headers: { Authorization: 'Bearer ' + token } })
  return (await answer.json()).sessions
}

export { until }
