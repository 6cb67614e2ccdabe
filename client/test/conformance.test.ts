/** The cases of the Web Platform Tests for event streams (eventsource/format-*), by their names, in words and bytes of our own. */
import fc from 'fast-check'
import { createParser } from 'eventsource-parser'
import { describe, expect, test } from 'vitest'
import { EventStreamParser, fetchStream, type StreamEvent } from '../src/index.js'

interface Case {
  name: string
  stream: string | Uint8Array
  /** The data of each event, or all that is expected of it. */
  events: (string | Partial<StreamEvent>)[]
  retries?: number[]
}

const utf8 = (text: string) => new TextEncoder().encode(text)
const CASES: Case[] = [
  { name: 'format-bom', stream: '\uFEFFdata:1\n\n\uFEFFdata:2\n\ndata:3\n\n', events: ['1', '3'] },
  { name: 'format-bom-2', stream: '\uFEFF\uFEFFdata:1\n\ndata:2\n\ndata:3\n\n', events: ['2', '3'] },
  { name: 'format-comments', stream: `data:1\r:\0\n:\r\ndata:2\n:${'x'.repeat(2048)}\rdata:3\n:data:fail\r:${'x'.repeat(2048)}\ndata:4\n\n`, events: ['1\n2\n3\n4'] },
  { name: 'format-data-before-final-empty-line', stream: 'retry:1000\ndata:test1\n\nid:test\ndata:test2', events: [{ data: 'test1', id: '' }], retries: [1000] },
  { name: 'format-field-data', stream: 'data:\n\ndata\ndata\n\ndata:test\n\n', events: ['', '\n', 'test'] },
  { name: 'format-field-event', stream: 'event:test\ndata:x\n\ndata:x\n\n', events: [{ event: 'test', data: 'x' }, { event: 'message', data: 'x' }] },
  { name: 'format-field-event-empty', stream: 'event: \ndata:data\n\n', events: [{ event: 'message', data: 'data' }] },
  { name: 'format-field-id: umlauts, and an id that holds for the next', stream: 'id: …\ndata:1\n\ndata:2\n\n', events: [{ id: '…' }, { id: '…' }] },
  { name: 'format-field-id-2: an empty id resets it', stream: 'id: hello\ndata:1\n\nid\ndata:2\n\n', events: [{ id: 'hello' }, { id: '' }] },
  { name: 'format-field-id-3: the last one of a block counts', stream: 'id: 1\nid: 2\ndata:x\n\n', events: [{ id: '2' }] },
  ...['\0\0', 'x\0', '\0x', 'x\0x', ' \0'].map((id) => ({ name: `format-field-id-null ${JSON.stringify(id)}`, stream: `id: before\nid:${id}\ndata:hello\n\n`, events: [{ id: 'before', data: 'hello' }] })),
  { name: 'format-field-parsing', stream: 'data:\0\ndata:  2\rData:1\ndata\0:2\ndata:1\r\0data:4\nda-ta:3\rdata_5\ndata:3\rdata:\r\n data:32\ndata:4\n\n', events: ['\0\n 2\n1\n3\n\n4'] },
  { name: 'format-field-retry', stream: 'retry:03000\ndata:x\n\n', events: ['x'], retries: [3000] },
  { name: 'format-field-retry-bogus', stream: 'retry:3000\nretry:1000x\ndata:x\n\n', events: ['x'], retries: [3000] },
  { name: 'format-field-retry-empty', stream: 'retry\ndata:test\n\n', events: ['test'], retries: [] },
  { name: 'format-field-unknown', stream: 'data:test\n data\ndata\nfoobar:xxx\njustsometext\n:thisisacommentyay\ndata:test\n\n', events: ['test\n\ntest'] },
  { name: 'format-leading-space', stream: 'data:\ttest\rdata: \ndata:test\n\n', events: ['\ttest\n\ntest'] },
  { name: 'format-newlines', stream: 'data:test\r\ndata\ndata:test\r\n\r\n', events: ['test\n\ntest'] },
  { name: 'format-null-character', stream: 'data:\0\n\n\n\n', events: ['\0'] },
  { name: 'format-utf-8: always, whatever the Content-Type says', stream: utf8('data:ok…\n\n'), events: ['ok…'] },
  { name: 'format-utf-8: what is none is replaced', stream: Uint8Array.of(...utf8('data:a'), 0xc3, ...utf8('b\n\ndata:'), 0xed, 0xa0, 0x80, ...utf8('\n\n')), events: ['a\uFFFDb', '\uFFFD\uFFFD\uFFFD'] },
  { name: 'the example of the specification: comment, ids, no id', stream: ': test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n', events: [{ data: 'first event', id: '1' }, { data: 'second event', id: '' }, { data: ' third event', id: '' }] },
  { name: 'the example of the specification: two data lines', stream: 'data: YHOO\ndata: +2\ndata: 10\n\n', events: ['YHOO\n+2\n10'] },
  { name: 'the example of the specification: a block that is never ended', stream: 'data\n\ndata\ndata\n\ndata:', events: ['', '\n'] },
]

function parse(chunks: Uint8Array[]) {
  const events: StreamEvent[] = []
  const retries: number[] = []
  const parser = new EventStreamParser({ onEvent: (event) => events.push(event), onRetry: (ms) => retries.push(ms) })
  for (const chunk of chunks) parser.push(chunk)
  return { events, retries }
}

describe('Web Platform Tests', () => {
  test.each(CASES.map((one) => [one.name, one] as const))('%s', (_, { stream, events, retries }) => {
    const all = typeof stream === 'string' ? utf8(stream) : stream
    const expected = events.map((event) => expect.objectContaining(typeof event === 'string' ? { data: event } : event))
    // Whole, in each way to cut it in two, and byte by byte.
    const cuts = Array.from({ length: Math.min(all.length, 200) }, (_, at) => [all.subarray(0, at), all.subarray(at)])
    for (const chunks of [[all], ...cuts, [...all].map((byte) => Uint8Array.of(byte))]) {
      const parsed = parse(chunks)
      expect(parsed.events).toEqual(expected)
      if (retries) expect(parsed.retries).toEqual(retries)
    }
  })

  // format-mime-*
  test.each([
    ['text/event-stream', true],
    ['text/event-stream;', true],
    ['Text/Event-Stream; charset=utf-8', true],
    ['text/event-stream;charset=windows-1251', true],
    ['text/event-streamx', false],
    ['text/event-stream-x', false],
    ['text/x-bogus', false],
    ['text/html; x=text/event-stream', false],
    ['', false],
  ])('a stream of the type %j is read: %j', async (type, read) => {
    const events: string[] = []
    const answer = fetchStream({
      url: '/', lastEventId: '', signal: new AbortController().signal, credentials: 'omit', maxLength: undefined,
      fetch: async () => new Response(utf8('data: x\n\n'), { headers: { 'Content-Type': type } }),
      onEvent: ({ data }) => events.push(data), onRetry() {}, onActivity() {},
    })
    if (read) await answer
    else await expect(answer).rejects.toThrow('no event stream')
    expect(events).toEqual(read ? ['x'] : [])
  })
})

test('it agrees with eventsource-parser on streams that are far from sane', () => {
  const piece = fc.constantFrom('\n', '\r', '\r\n', '\n\n', ':', ' ', 'data', 'data:', 'data: ', 'data:x\n', 'event:', 'event: a', 'id:', 'id: 1', 'id', 'retry:', '12', ': comment', '\uFEFF', '🍜', 'x')
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 60 }), (pieces) => {
      // With an end that is no CR, which it waits with.
      const text = pieces.join('').replace(/^\uFEFF+/, '') + ':\n'
      const theirs: { event: string; data: string }[] = []
      const reference = createParser({ onEvent: ({ event, data }) => theirs.push({ event: event || 'message', data }) })
      reference.feed(text)
      expect(parse([utf8(text)]).events.map(({ event, data }) => ({ event, data }))).toEqual(theirs)
    }),
    { numRuns: 3000 },
  )
})
