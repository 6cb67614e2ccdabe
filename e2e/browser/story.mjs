// What all stories have: a browser, and for each a server of its own, and people of whose pages nothing may go wrong.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { launch, newBrowser } from './browser.mjs'
import { build, cleanUp, startServer } from './server.mjs'


let browser

/** To be called once in a file of stories. */
export function prepare() {
  before(async () => {
    build()
    browser = await launch()
  })
  after(async () => {
    await browser?.close()
    await cleanUp()
  })
}

/** Runs a story, with a server of its own unless `settings` are null. */
export function story(name, settings, tell, timeout = 150_000) {
  test(name, { timeout }, async (t) => {
    const server = settings && (await startServer(settings))
    const people = []
    const someone = async ({ within = browser, ...options } = {}) => {
      people.push(await newBrowser(within, options))
      return people.at(-1)
    }
    try {
      await tell({ url: server?.url, server, someone, t })
      assert.deepEqual(people.flatMap((one) => one.wrong()), [])
    } finally {
      // One that was killed cannot be closed.
      await Promise.all(people.map((one) => one.close().catch(() => {})))
      await server?.crash()
    }
  })
}

/** In a page: counts how often somebody was not shown as here, and notes when that was first. */
export function watchFor(user) {
  globalThis.lost = 0
  globalThis.lostAt = undefined
  new MutationObserver(() => {
    if (document.querySelector(`#here [data-user=${user}]`)) return
    globalThis.lost++
    globalThis.lostAt ??= Date.now()
  }).observe(document.querySelector('#here'), { childList: true })
}

/** In a page: notes by how much its timers are late, at most, which tells a busy machine from a slow product. */
export function watchLateness() {
  globalThis.late = 0
  let due = performance.now() + 50
  setInterval(() => {
    globalThis.late = Math.max(globalThis.late, performance.now() - due)
    due = performance.now() + 50
  }, 50)
}
