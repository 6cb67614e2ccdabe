/**
 * The parser of `text/event-stream`, to the letter of the WHATWG's rules and one piece at a time.
 *
 * However a stream is cut into chunks, the same events come out. Work is linear in what is pushed, also for one huge line
 * that trickles in. What is kept between chunks is bounded by `maxLength`.
 */

/** One event of a stream. */
export interface StreamEvent {
  /** Its name; `message` where the stream gave none. */
  readonly event: string
  /** Its data lines, joined by line feeds. */
  readonly data: string
  /** The last id that the stream has set, up to and including this event. */
  readonly id: string
}

/** What a parser tells, while it is being pushed. */
export interface ParserHandlers {
  /** An event is complete. */
  onEvent(event: StreamEvent): void
  /** The stream has set the time to wait before reconnecting, in milliseconds. */
  onRetry?(ms: number): void
}

const LF = 10
const CR = 13

/** Parses a stream of Server-Sent Events incrementally. */
export class EventStreamParser {
  /** The id to come back with: that of the last event that was complete. */
  lastEventId: string

  readonly #handlers: ParserHandlers
  readonly #maxLength: number
  // The BOM is taken off here rather than by the decoder, so that strings are treated as bytes are.
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true })
  #started = false
  #afterCR = false
  #line = ''
  #event = ''
  #data = ''
  #id: string

  /**
   * @param handlers what to call with what was parsed
   * @param options `maxLength`: how many UTF-16 units one event may take before `push` throws a RangeError (1 Mi);
   * `lastEventId`: the id that the stream resumes from, which holds until the stream sets another
   */
  constructor(handlers: ParserHandlers, options: { maxLength?: number; lastEventId?: string } = {}) {
    this.#handlers = handlers
    this.#maxLength = options.maxLength ?? 1 << 20
    this.lastEventId = this.#id = options.lastEventId ?? ''
  }

  /** Takes the next piece of the stream, and calls the handlers with whatever it completes. */
  push(chunk: Uint8Array | string): void {
    let text = typeof chunk === 'string' ? chunk : this.#decoder.decode(chunk, { stream: true })
    if (!text) return
    if (!this.#started) {
      this.#started = true
      if (text[0] === '\uFEFF') text = text.slice(1)
    }
    let from = 0
    for (let i = 0; i < text.length; i++) {
      const c = text.charCodeAt(i)
      // The LF of a CRLF ends nothing, and may be in another chunk than its CR, which must not wait for it.
      if (c === LF && this.#afterCR) from = i + 1
      else if (c === LF || c === CR) {
        const line = this.#line + text.slice(from, i)
        this.#line = ''
        from = i + 1
        // Before the handlers run: they may throw.
        this.#afterCR = c === CR
        this.#endLine(line)
        continue
      }
      this.#afterCR = false
    }
    this.#line += text.slice(from)
    this.#bound(this.#line.length)
  }

  #endLine(line: string): void {
    if (!line) return this.#dispatch()
    const colon = line.indexOf(':')
    const field = colon < 0 ? line : line.slice(0, colon)
    const value = colon < 0 ? '' : line.slice(colon + (line[colon + 1] === ' ' ? 2 : 1))
    if (field === 'data') {
      this.#bound(value.length)
      this.#data += value + '\n'
    } else if (field === 'event') this.#event = value
    else if (field === 'id') {
      if (!value.includes('\0')) this.#id = value
    } else if (field === 'retry' && /^\d+$/.test(value)) this.#handlers.onRetry?.(+value)
  }

  #dispatch(): void {
    const event = this.#event || 'message'
    const data = this.#data
    this.#event = this.#data = ''
    // Only a complete block moves the place to come back to: one that was cut off must be sent again.
    this.lastEventId = this.#id
    if (data) this.#handlers.onEvent({ event, data: data.slice(0, -1), id: this.#id })
  }

  #bound(more: number): void {
    if (this.#data.length + more > this.#maxLength) throw new RangeError('an event is longer than ' + this.#maxLength)
  }
}
