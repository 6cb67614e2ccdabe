/** One attempt at a stream, by fetch. Whether and when to try again is for the link to decide. */
import { EventStreamParser, type StreamEvent } from '../parser.js'
import { PresenceError, refusal } from '../problem.js'

/** What a transport is asked for, and whom it tells. */
export interface StreamRequest {
  /** With the ticket in it; not to be logged. */
  url: string
  /** Where to go on; empty for a new stream. */
  lastEventId: string
  signal: AbortSignal
  fetch: typeof globalThis.fetch
  credentials: RequestCredentials
  /** How long one event may be. */
  maxLength: number | undefined
  onEvent(event: StreamEvent): void
  onRetry(ms: number): void
  /** Something has come, were it a comment. */
  onActivity(): void
}

/** Opens a stream: resolves when the server has ended it, rejects with a PresenceError where it is refused or breaks. */
export type Transport = (request: StreamRequest) => Promise<void>

/** The default transport. Unlike EventSource it sees statuses, headers and comments, and can be aborted. */
export const fetchStream: Transport = async ({ url, lastEventId, signal, fetch, credentials, maxLength, onEvent, onRetry, onActivity }) => {
  const response = await fetch(url, {
    headers: { Accept: 'text/event-stream', ...(lastEventId && { 'Last-Event-ID': lastEventId }) },
    cache: 'no-store',
    credentials,
    signal,
  })
  if (response.status !== 200) throw await refusal(response)
  const body = response.body
  if (!body || !/^text\/event-stream\b/i.test(response.headers.get('Content-Type') ?? '')) {
    void body?.cancel().catch(() => {})
    // A captive portal's page, mostly.
    throw new PresenceError('this is no event stream')
  }
  onActivity()
  const parser = new EventStreamParser({ onEvent, onRetry }, { maxLength: maxLength!, lastEventId })
  const reader = body.getReader()
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done || signal.aborted) return
      onActivity()
      parser.push(value)
    }
  } finally {
    void reader.cancel().catch(() => {})
  }
}
