// read.mjs FILE: reads a recorded event stream with each reader that there is for JavaScript, and prints what each has seen:
// {"reader": [["name", "data", "last event id"], …]}.
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { once } from 'node:events'
import { buildSync } from 'esbuild'
import { createParser } from 'eventsource-parser'
import { EventSource as UndiciEventSource } from 'undici'
import OldEventSource from 'eventsource'
import { events as fetchEventStream } from 'fetch-event-stream'
import { parseServerSentEvents } from 'parse-sse'
import microsoft from '@microsoft/fetch-event-source/lib/cjs/parse.js'

const recorded = readFileSync(process.argv[2])
const size = 1021 // of chunks: no divisor of anything, so that characters and line ends are cut, too
const chunks = []
for (let i = 0; i < recorded.length; i += size) chunks.push(recorded.subarray(i, i + size))
const response = () => new Response(recorded, { headers: { 'Content-Type': 'text/event-stream' } })

/** Those who tell of each event its own id alone: the last one holds. */
const holdingID = (events) => {
  let last = ''
  return events.map(([name, data, id]) => [name, data, (last = id || last)])
}

/** What is built of the client's source, which is TypeScript. */
async function ours() {
  const built = buildSync({ entryPoints: [new URL('../../client/src/parser.ts', import.meta.url).pathname], bundle: true, format: 'esm', write: false })
  const { EventStreamParser } = await import('data:text/javascript;base64,' + Buffer.from(built.outputFiles[0].contents).toString('base64'))
  const events = []
  const parser = new EventStreamParser({ onEvent: (e) => events.push([e.event, e.data, e.id]) })
  for (const chunk of chunks) parser.push(chunk)
  return events
}

function parserByRexxars() {
  const events = []
  const parser = createParser({ onEvent: (e) => events.push([e.event ?? 'message', e.data, e.id ?? '']) })
  const decoder = new TextDecoder()
  for (const chunk of chunks) parser.feed(decoder.decode(chunk, { stream: true }))
  return holdingID(events)
}

function parserByMicrosoft() {
  const events = []
  const message = microsoft.getMessages(() => {}, () => {}, (m) => {
    if (m.event || m.data) events.push([m.event || 'message', m.data, m.id]) // it tells of comments, as of events without anything
  })
  const lines = microsoft.getLines(message)
  for (const chunk of chunks) lines(new Uint8Array(chunk))
  return holdingID(events)
}

async function parserByLukeed() {
  const events = []
  for await (const e of fetchEventStream(response())) if (e.data !== undefined) events.push([e.event ?? 'message', e.data, String(e.id ?? '')])
  return holdingID(events)
}

async function parserBySindre() {
  const events = []
  for await (const e of parseServerSentEvents(response())) events.push([e.type, e.data, e.lastEventId])
  return events
}

/** Hears of every event, whatever it is called: who listens to known names would not hear one that was forged. */
function eventSource(Source, method, url) {
  const events = []
  const source = new Source(url)
  source.listeners = () => [() => {}] // the older one emits nothing where nobody listens
  return new Promise((done, fail) => {
    setTimeout(fail, 60_000, new Error(`${Source.name} does not come to the end; last ${JSON.stringify(events.at(-1))}`)).unref()
    source[method] = (...args) => {
      const [name, e] = method === 'emit' ? args : [args[0].type, args[0]]
      if (name === theEnd) {
        source.close()
        done(events)
      } else if (name !== 'open' && name !== 'error') events.push([name, e.data, e.lastEventId])
      return true
    }
  })
}

const theEnd = 'end of the recording'
const server = createServer((_, res) => {
  res.writeHead(200, { 'Content-Type': 'text/event-stream' })
  for (const chunk of chunks) res.write(chunk)
  res.end(`event: ${theEnd}\ndata: .\n\n`)
}).listen(0, '127.0.0.1')
await once(server, 'listening')
const url = `http://127.0.0.1:${server.address().port}/`
const seen = {
  'presently-client': await ours(),
  'eventsource-parser': parserByRexxars(),
  'fetch-event-source': parserByMicrosoft(),
  'fetch-event-stream': await parserByLukeed(),
  'parse-sse': await parserBySindre(),
  'undici EventSource': await eventSource(UndiciEventSource, 'dispatchEvent', url),
  'eventsource 2': await eventSource(OldEventSource, 'emit', url),
}
server.close()
server.closeAllConnections()
process.stdout.write(JSON.stringify(seen), () => process.exit(0))
