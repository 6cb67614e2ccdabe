// An application of its own origin: a page with nothing but the client, built from client/src, and streams of raw bytes to read by different means.
import { createServer } from 'node:http'
import { build } from 'esbuild'
import { freePort } from './server.mjs'

const root = new URL('../..', import.meta.url).pathname

const HTML = `<!doctype html><html lang="en"><meta charset="utf-8"><title>An application</title><link rel="icon" href="data:,">
<script type="module" src="/app.js"></script><p id="who"></p>`
// As strict as an application may be. Its own Worker needs blob:.
const POLICY = "default-src 'none'; script-src 'self'; connect-src *; worker-src blob:; img-src data:"

/** Starts the application. `streams` are what /stream/0, /stream/1 and so on say, to the byte. */
export async function startPages(streams = []) {
  const { outputFiles } = await build({
    stdin: { contents: "import * as presently from './client/src/index.ts'; globalThis.presently = presently", resolveDir: root },
    bundle: true,
    write: false,
    format: 'esm',
    target: 'es2022',
  })
  const files = { '/': ['text/html; charset=utf-8', HTML], '/app.js': ['text/javascript', outputFiles[0].text] }
  const server = createServer((request, response) => {
    const [, n] = /^\/stream\/(\d+)$/.exec(request.url) ?? []
    if (n !== undefined) return response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' }).end(streams[n])
    const [type, body] = files[request.url] ?? []
    if (!type) return response.writeHead(404).end()
    response.writeHead(200, { 'Content-Type': type, 'Content-Security-Policy': POLICY }).end(body)
  })
  const port = await freePort()
  await new Promise((resolve, reject) => server.on('error', reject).listen(port, '127.0.0.1', resolve))
  return { url: `http://127.0.0.1:${port}`, stop: () => (server.closeAllConnections(), server.close()) }
}

/** In a page: makes a client that watches `watched` and is in a room, and keeps what it heard. */
export function joinIn({ url, token, watched = [], native = false, ...options }) {
  const { PresenceClient, eventSourceStream } = globalThis.presently
  const client = (globalThis.client = new PresenceClient({ url, token, ...(native && { transport: eventSourceStream }), ...options }))
  globalThis.errors = []
  client.addEventListener('error', ({ detail }) => globalThis.errors.push(detail.code))
  client.watchUsers(watched)
  client.connect()
}

/** In a page: how somebody is, as it was told. */
export const statusOf = (user) => globalThis.client.getPresence(user)?.status

const PIECES = ['\n', '\r', '\r\n', '\n\n', '\n\n', ':', ' ', 'data', 'data:', 'data: ', 'data:x\n', 'event:', 'event: a\n', 'event:b', 'id:', 'id: 1\n', 'id:\0', 'id', ': comment', '\uFEFF', '\0', '🍜', 'é', 'x', '\u2028', '\x85']

/** Streams that are far from sane: pieces that matter to a parser in any order, with bytes that are no UTF-8 here and there. Always the same ones. */
export function insaneStreams(count) {
  let seed = 20261122
  const random = (n) => ((seed = (seed * 48271) % 2147483647) % n)
  return Array.from({ length: count }, () => {
    const parts = [random(4) ? '' : '\uFEFF', ...Array.from({ length: 10 + random(80) }, () => (random(60) ? PIECES[random(PIECES.length)] : random(2) ? [0xff] : [0xed, 0xa0, 0x80]))]
    // Chromium (156) loses the first event of a stream that begins with a BOM and an empty line, which the standard does not.
    if (parts.slice(0, 3).join('').match(/^\uFEFF[\r\n]/)) parts[0] = ':'
    // The end of all, by which whoever reads it knows that nothing more comes.
    return Buffer.concat([...parts, '\n\nevent:end\ndata:end\n\n'].map((part) => Buffer.from(part)))
  })
}

/** In a page: reads streams by the browser's own EventSource and by ours, and returns where they differ, and how many events they had. */
export async function compare(count) {
  const { EventStreamParser } = globalThis.presently
  const names = ['message', 'a', 'b', 'a ', 'end']
  const natively = (url) =>
    new Promise((resolve) => {
      const events = []
      const source = new EventSource(url)
      for (const name of names)
        source.addEventListener(name, ({ type, data, lastEventId }) => {
          events.push([type, data, lastEventId])
          if (type !== 'end') return
          source.close()
          resolve(events)
        })
      source.onerror = () => (source.close(), resolve(events))
    })
  const byOurs = async (url) => {
    const events = []
    const parser = new EventStreamParser({ onEvent: ({ event, data, id }) => names.includes(event) && events.push([event, data, id]) })
    const bytes = new Uint8Array(await (await fetch(url)).arrayBuffer())
    // In pieces of other lengths than the network's.
    for (let at = 0, size = 1; at < bytes.length; at += size, size = (size % 7) + 1) parser.push(bytes.subarray(at, at + size))
    return events
  }
  const differ = []
  let events = 0
  for (let n = 0; n < count; n++) {
    const [theirs, ours] = await Promise.all([natively('/stream/' + n), byOurs('/stream/' + n)])
    events += theirs.length
    if (JSON.stringify(theirs) !== JSON.stringify(ours)) differ.push({ n, theirs, ours })
  }
  return { events, differ }
}
