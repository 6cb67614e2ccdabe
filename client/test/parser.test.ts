import fc from 'fast-check'
import { createParser } from 'eventsource-parser'
import { describe, expect, test } from 'vitest'
import { EventStreamParser, type StreamEvent } from '../src/index.js'

interface Parsed {
  events: StreamEvent[]
  retries: number[]
  lastEventId: string
}

function parse(chunks: (Uint8Array | string)[], options?: { maxLength?: number; lastEventId?: string }): Parsed {
  const events: StreamEvent[] = []
  const retries: number[] = []
  const parser = new EventStreamParser({ onEvent: (e) => events.push(e), onRetry: (ms) => retries.push(ms) }, options)
  for (const chunk of chunks) parser.push(chunk)
  return { events, retries, lastEventId: parser.lastEventId }
}

const bytes = (text: string) => new TextEncoder().encode(text)
const data = (text: string) => parse([text]).events.map((e) => e.data)

describe('the rules of the WHATWG', () => {
  test.each<[string, string, string[]]>([
    ['an event ends at an empty line', 'data: a\n\n', ['a']],
    ['and not before', 'data: a\n', []],
    ['what has not ended when the stream does is no event', 'data: a\n\ndata: b', ['a']],
    ['lines end with LF', 'data:a\ndata:b\n\n', ['a\nb']],
    ['or CR', 'data:a\rdata:b\r\r', ['a\nb']],
    ['or CRLF', 'data:a\r\ndata:b\r\n\r\n', ['a\nb']],
    ['or all of them', 'data:a\rdata:b\r\ndata:c\n\r\n', ['a\nb\nc']],
    ['a CR that is followed by LF is one end', 'data:a\r\n\r\ndata:b\r\n\r\n', ['a', 'b']],
    ['LF CR are two', 'data:a\n\rdata:b\n\r', ['a', 'b']],
    ['one blank after the colon is dropped', 'data: a\n\ndata:  b\n\ndata:\tc\n\n', ['a', ' b', '\tc']],
    ['a field may have no colon', 'data\n\n', ['']],
    ['two of them are a line feed', 'data\ndata\n\n', ['\n']],
    ['an empty data line counts', 'data:\ndata: a\n\n', ['\na']],
    ['a comment is nothing', ': hello\ndata: a\n:\n\n', ['a']],
    ['an unknown field is nothing', 'what: ever\ndata: a\nDATA: b\n data: c\ndata : d\n\n', ['a']],
    ['an event without data is none', 'event: x\n\ndata: a\n\n', ['a']],
    ['a leading BOM is dropped', '\uFEFFdata: a\n\n', ['a']],
    ['but only one', '\uFEFF\uFEFFdata: a\n\ndata: b\n\n', ['b']],
    ['and only there', 'data: a\n\n\uFEFFdata: b\n\n', ['a']],
    ['a BOM in the data stays', 'data: \uFEFFa\n\n', ['\uFEFFa']],
    ['colons after the first are data', 'data: a:b: c\n\n', ['a:b: c']],
    ['other line separators are data', 'data: a\u2028b\u2029c\u0085d\u000be\u000cf\n\n', ['a\u2028b\u2029c\u0085d\u000be\u000cf']],
    ['NUL in data is data', 'data: a\0b\n\n', ['a\0b']],
    ['empty lines before anything are nothing', '\n\n\r\r\ndata: a\n\n', ['a']],
  ])('%s', (_, text, expected) => {
    expect(data(text)).toEqual(expected)
    expect(parse([bytes(text)]).events.map((e) => e.data)).toEqual(expected)
    // In bytes, one at a time.
    expect(parse([...bytes(text)].map((b) => Uint8Array.of(b))).events.map((e) => e.data)).toEqual(expected)
  })

  test('an event has the name that was given last, for itself alone', () => {
    const { events } = parse(['event: a\nevent: b\ndata: 1\n\ndata: 2\n\nevent: c\n\ndata: 3\n\nevent:\ndata: 4\n\n'])
    expect(events.map((e) => e.event)).toEqual(['b', 'message', 'message', 'message'])
  })

  test('an id holds until the next', () => {
    const { events, lastEventId } = parse(['id: 1\ndata: a\n\ndata: b\n\nid: 2\ndata: c\n\n'])
    expect(events.map((e) => e.id)).toEqual(['1', '1', '2'])
    expect(lastEventId).toBe('2')
  })

  test('an id that was given before the stream holds, too', () => {
    expect(parse(['data: a\n\nid: 2\ndata: b\n\n'], { lastEventId: '1' }).events.map((e) => e.id)).toEqual(['1', '2'])
  })

  test('an empty id takes it back', () => {
    expect(parse(['id: 1\ndata: a\n\nid\ndata: b\n\n']).events.map((e) => e.id)).toEqual(['1', ''])
    expect(parse(['id: 1\ndata: a\n\nid:\ndata: b\n\n']).lastEventId).toBe('')
  })

  test('an id with NUL is none', () => {
    expect(parse(['id: 1\ndata: a\n\nid: 2\0\ndata: b\n\n']).events.map((e) => e.id)).toEqual(['1', '1'])
  })

  test('an id counts without data, and not in a block that was cut off', () => {
    expect(parse(['id: 1\n\n']).lastEventId).toBe('1')
    expect(parse(['id: 1\n\nid: 2\ndata: a\n']).lastEventId).toBe('1')
  })

  test('retry takes digits only', () => {
    const text = ['10', '020', '', '-1', '1.5', '1e3', '0x10', '10 ', ' 10', '１０', '99999'].map((v) => `retry:${v}\n`).join('')
    // One blank is dropped, so ' 10' is 10.
    expect(parse([text]).retries).toEqual([10, 20, 10, 99999])
    expect(parse(['retry\nretry:\n\n']).retries).toEqual([])
  })

  test('invalid UTF-8 is replaced, and a character may be cut anywhere', () => {
    expect(parse([Uint8Array.of(...bytes('data: '), 0xff, 0x41), bytes('\n\n')]).events[0]!.data).toBe('\uFFFDA')
    const emoji = bytes('data: 🍜\n\n')
    for (let i = 0; i < emoji.length; i++) expect(parse([emoji.slice(0, i), emoji.slice(i)]).events[0]!.data).toBe('🍜')
  })
})

// Text made of what matters to the parser.
const pieces = fc.array(
  fc.oneof(
    fc.constantFrom('\n', '\r', '\r\n', '\n\n', ':', ' ', 'data', 'data:', 'data: ', 'event:', 'id:', 'id', 'retry:', '12', ': comment', '\0', '\uFEFF', '🍜', 'é'),
    fc.string({ unit: 'binary', maxLength: 5 }),
  ),
  { maxLength: 60 },
)

describe('properties', () => {
  test('every way of cutting a stream gives the same events', () => {
    fc.assert(
      fc.property(pieces, fc.array(fc.nat(), { maxLength: 20 }), (text, cuts) => {
        const all = bytes(text.join(''))
        const whole = parse([all])
        const at = [0, ...cuts.map((cut) => cut % (all.length + 1)).sort((a, b) => a - b), all.length]
        const chunks = at.slice(1).map((end, i) => all.slice(at[i], end))
        expect(parse(chunks)).toEqual(whole)
        expect(parse([...all].map((b) => Uint8Array.of(b)))).toEqual(whole)
      }),
      { numRuns: 1000 },
    )
  })

  test('it agrees with eventsource-parser on whatever a server may sanely send', () => {
    const line = fc.string({ unit: 'grapheme-ascii', maxLength: 20 })
    const event = fc.record({ event: fc.option(line.filter((s) => s.length > 0)), id: fc.option(line), data: fc.array(line, { minLength: 1, maxLength: 4 }), end: fc.constantFrom('\n', '\r\n') })
    fc.assert(
      fc.property(fc.array(event, { maxLength: 8 }), fc.integer({ min: 1, max: 9 }), (events, size) => {
        const text = events
          .map((e) => [e.event === null ? [] : ['event: ' + e.event], e.id === null ? [] : ['id: ' + e.id], ...e.data.map((d) => 'data: ' + d), ''].flat().join(e.end) + e.end)
          .join('')
        const theirs: { event: string; data: string }[] = []
        const reference = createParser({ onEvent: ({ event, data }) => theirs.push({ event: event ?? 'message', data }) })
        const chunks = text.match(new RegExp(`[^]{1,${size}}`, 'g')) ?? []
        for (const chunk of chunks) reference.feed(chunk)
        expect(parse(chunks).events.map(({ event, data }) => ({ event, data }))).toEqual(theirs)
      }),
    )
  })

  test('whatever is written as one event is read as that', () => {
    const lines = fc.array(fc.string({ unit: 'binary' }).filter((s) => !/[\r\n]/.test(s)), { minLength: 1, maxLength: 5 })
    fc.assert(
      fc.property(lines, (lines) => {
        const text = lines.map((l) => `data: ${l}\n`).join('') + '\n'
        expect(data(text)).toEqual([lines.join('\n')])
      }),
    )
  })
})

describe('limits', () => {
  test('an event that never ends is refused, in one line or many, and does not fill the memory', () => {
    const endless = (chunk: string) => {
      const parser = new EventStreamParser({ onEvent: () => {} }, { maxLength: 10_000 })
      let pushed = 0
      expect(() => {
        for (;;) {
          parser.push(chunk)
          pushed += chunk.length
        }
      }).toThrow(RangeError)
      return pushed
    }
    expect(endless('x'.repeat(100))).toBeLessThanOrEqual(10_000)
    expect(endless('data: ' + 'x'.repeat(94) + '\n')).toBeLessThan(11_000)
    expect(endless(': ' + 'x'.repeat(100))).toBeLessThanOrEqual(10_000)
  })

  test('comments and events that end are no burden', () => {
    const parser = new EventStreamParser({ onEvent: () => {} }, { maxLength: 100 })
    for (let i = 0; i < 1000; i++) parser.push(': a comment\n\ndata: an event\n\n')
  })

  // Others may take the processor away in between.
  test('a huge line in small chunks takes linear time', { retry: 3 }, () => {
    const time = (length: number) => {
      const chunk = bytes('x'.repeat(16))
      const parser = new EventStreamParser({ onEvent: () => {} }, { maxLength: 1e9 })
      parser.push('data: ')
      const begun = performance.now()
      for (let i = 0; i < length / 16; i++) parser.push(chunk)
      parser.push('\n\n')
      return performance.now() - begun
    }
    time(1 << 18)
    const once = Math.min(time(1 << 18), time(1 << 18))
    // Sixteen times as much; quadratic would be 256 times as long.
    expect(time(1 << 22)).toBeLessThan(Math.max(once, 2) * 80)
  })
})
