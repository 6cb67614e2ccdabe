// A real Chromium, and people in it.
import { existsSync } from 'node:fs'
import { chromium } from 'playwright-core'
import { token, until } from './server.mjs'

const executablePath = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync)

/** Launches Chromium as people have it: what Playwright switches off so that tests are quick is what these tests are about. */
export function launch() {
  return chromium.launch({
    executablePath,
    headless: true,
    args: process.getuid?.() === 0 ? ['--no-sandbox'] : [],
    ignoreDefaultArgs: ['--disable-back-forward-cache', '--disable-background-timer-throttling', '--disable-backgrounding-occluded-windows', '--disable-renderer-backgrounding'],
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

/** A browser of somebody's own, as on a machine of his own. Everything in it is watched over: see `calm`. */
export async function newBrowser(browser, { expected = [], ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options })
  const wrong = []
  context.on('page', (page) => wrong.push([page, watchOver(page, expected)]))
  await context.addInitScript(() => {
    globalThis.refused = []
    document.addEventListener('securitypolicyviolation', (event) => console.error(`refused by policy: ${event.violatedDirective} ${event.blockedURI}`))
  })
  return Object.assign(context, {
    /** What went wrong so far. */
    wrong: () => wrong.flatMap(([page, texts]) => texts.map((text) => `${page.url()}: ${text}`)),
  })
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
export const live = (page, patience = 15_000) => page.locator('#connection[data-status=live]').waitFor({ timeout: patience })

/** Somebody's row in the list of those who are here, or of those who are not. */
export const row = (page, user, list = 'here') => page.locator(`#${list} .person[data-user=${JSON.stringify(user)}]`)

/** Waits until somebody is shown so. */
export function sees(page, user, { status, text, list = 'here', stale = false, patience = 15_000 } = {}) {
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
