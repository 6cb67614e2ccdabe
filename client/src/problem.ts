import type { Problem, ProblemCode } from './api.gen.js'

/** What a PresenceError tells, beside its code. */
interface Details {
  message?: string | undefined
  status?: number | undefined
  problem?: Problem | undefined
  retryAfterMs?: number | undefined
  cause?: unknown
}

/** Whatever went wrong between the page and the server. */
export class PresenceError extends Error {
  /**
   * What happened, in a word that does not change: the server's, or `network`, `timeout`, `token` (there is none to be had), `event` (one could not be
   * read), `handler` (one of yours has thrown), `closed`.
   */
  declare readonly code: ProblemCode | 'network' | 'timeout' | 'token' | 'event' | 'handler' | 'closed' | (string & {})
  /** The HTTP status, where there was one. */
  declare readonly status?: number
  /** The server's problem document, where there was one. */
  declare readonly problem?: Problem
  /** How long the server asks to wait before coming back. */
  declare readonly retryAfterMs?: number

  constructor(code: string, details: Details = {}) {
    super(details.message ?? code)
    Object.assign(this, { name: 'PresenceError', code }, details)
  }
}

/** What was thrown, as one of ours. */
export const asError = (cause: unknown, code = 'network'): PresenceError => (cause instanceof PresenceError ? cause : new PresenceError(code, { cause }))

/** Makes an error of a problem document. */
export const problemError = (problem: Problem | undefined, status = problem?.status, retryAfterMs?: number): PresenceError =>
  new PresenceError(problem?.code ?? 'http', { message: problem?.detail ?? 'HTTP ' + status, status, problem, retryAfterMs })

/** Makes an error of a refusal. */
export async function refusal(response: Response): Promise<PresenceError> {
  const after = response.headers.get('Retry-After')
  // In seconds; or as a date, which is only as good as our clock.
  const wait = after ? (isNaN(+after) ? Date.parse(after) - Date.now() : +after * 1000) : 0
  // What is neither is nothing: not a number would be no wait at all.
  return problemError(await response.json().catch(() => undefined), response.status, wait > 0 ? wait : undefined)
}
