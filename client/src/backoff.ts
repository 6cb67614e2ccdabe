/** When to try again, and whether to. */

const MIN = 500 // ms; sooner would be a storm when a server returns
const MAX = 20_000 // ms; as others do: nobody notices the difference beyond it
const A_MINUTE = 15 // attempts, whatever wakes us

/** Waits with full jitter: anywhere between the least wait and a bound that doubles. */
export function createBackoff() {
  let attempts = 0
  let starts: number[] = []
  const backoff = {
    /** What doubles, in milliseconds: the stream's `retry:`. */
    base: 1000,

    /** How long to wait before the next attempt; never less than the server asked for. */
    next: (retryAfterMs = 0): number => Math.max(retryAfterMs, MIN, Math.random() * Math.min(MAX, Math.max(MIN, backoff.base) * 2 ** attempts++)),

    /** Forgets past failures. For when a stream has lived for a while, not for when it opens: one that opens and dies at once is no success. */
    reset(): void {
      attempts = 0
    },

    /** Notes an attempt, and returns how long to put it off where there were too many in the last minute. */
    start(): number {
      const now = Date.now()
      starts = [...starts.filter((at) => at > now - 60_000 && at <= now), now]
      return starts.length > A_MINUTE ? starts.at(-A_MINUTE)! + 60_000 - now : 0
    },
  }
  return backoff
}

/**
 * What to do about a refused stream. `retry`: wait and come back. `token`: get a fresh token, once, and come back.
 * `subscribe`: make a new subscription. `stop`: coming back is pointless until something changes.
 */
export type Verdict = 'retry' | 'token' | 'subscribe' | 'stop'

/** The verdict on a status; only a few are final, because most pass, and native EventSource's giving up on all is what strands pages. */
export const judge = (status?: number): Verdict =>
  status === 401 ? 'token' : status === 410 ? 'subscribe' : [204, 400, 403, 404].includes(status!) ? 'stop' : 'retry'
