/** The REST half: tokens, requests, problems. */
import { asError, PresenceError, refusal } from './problem.js'

/** Why a token is asked for. `start`: there is none. `expiring`: it ends soon. `refused`: the server does not take it any more. */
export type TokenReason = 'start' | 'expiring' | 'refused'

/** A token, and how long it lasts where the application knows that better than the token does. */
export type Token = string | { token: string; expiresInMs?: number }

/** Gets a token from the application's own backend. */
export type TokenSource = (request: { reason: TokenReason; signal: AbortSignal }) => Token | Promise<Token>

/** How a request differs from others. */
export interface RequestOptions {
  headers?: Record<string, string>
  /** Lets the request outlive the page. */
  keepalive?: boolean
  /** Aborts it; after 10 s it is aborted anyway, or sooner. */
  controller?: AbortController
  timeoutMs?: number
}

const ANSWER = 10_000 // ms; less than between heartbeats

/** The membership of a session in a room. */
export const memberPath = (room: string, sessionId: string): string => `/v1/rooms/${encodeURIComponent(room)}/members/me?sessionId=${sessionId}`

/** What a JWT says; to check it is for the server. */
export function claims(token: string): { sub?: string; exp?: number; iat?: number; rooms?: unknown } {
  try {
    const bytes = atob(token.split('.')[1]!.replace(/-/g, '+').replace(/_/g, '/'))
    return JSON.parse(new TextDecoder().decode(Uint8Array.from(bytes, (c) => c.charCodeAt(0))))
  } catch {
    return {}
  }
}

async function inTime<T>(controller: AbortController, use: (signal: AbortSignal) => Promise<T>, ms = ANSWER): Promise<T> {
  const timer = setTimeout(() => controller.abort(new PresenceError('timeout')), Math.min(ms, ANSWER))
  try {
    return await use(controller.signal)
  } catch (error) {
    throw asError(controller.signal.aborted ? controller.signal.reason : error)
  } finally {
    clearTimeout(timer)
  }
}

/** Speaks to one server as one user. */
export type Api = ReturnType<typeof createApi>

/** @param base where the server is, without a slash at its end */
export function createApi(base: string, source: TokenSource | undefined, fetch: typeof globalThis.fetch, credentials: RequestCredentials) {
  let token = ''
  let renewAt = 0
  let pending: Promise<string> | undefined

  const ask = async (reason: TokenReason) => {
    if (!source) throw new PresenceError('token', { status: 401 })
    const got = await inTime(new AbortController(), async (signal) => {
      try {
        return await source({ reason, signal })
      } catch (cause) {
        throw new PresenceError('token', { cause })
      }
    })
    const next = typeof got === 'string' ? { token: got } : got
    const { exp, iat } = claims(next.token)
    // A difference of two times of one clock, so that it does not matter how wrong ours is.
    const life = next.expiresInMs ?? (exp! - iat!) * 1000
    renewAt = performance.now() + (life || Infinity) * (0.75 + Math.random() / 10)
    const before = token
    const renewed = token && token !== next.token
    token = next.token
    if (renewed) api.onToken(token, before)
    return token
  }

  const api = {
    base,
    source,
    fetch,
    credentials,
    /** Called when a token took another's place. */
    onToken(_now: string, _before: string) {},

    /** Gets a fresh token; however many ask, the application is asked once. */
    refresh: (reason: TokenReason): Promise<string> => (pending ??= ask(reason).finally(() => (pending = undefined))),

    /** The token: a fresh one where it is missing or in the last fifth of its life. */
    async token(): Promise<string> {
      if (!source || performance.now() < renewAt) return token
      return api.refresh(token ? 'expiring' : 'start').catch((error) => {
        // The old one may do for a while yet.
        if (token) return token
        throw error
      })
    },

    /** Does one request, and another where the token was refused. */
    async exchange(method: string, path: string, body?: unknown, { headers, keepalive, controller, timeoutMs }: RequestOptions = {}): Promise<{ json: unknown; headers: Headers }> {
      let used = await api.token()
      for (let again = !!source; ; again = false) {
        const answer = await inTime(controller ?? new AbortController(), async (signal) => {
          const response = await fetch(base + path, {
            method,
            headers: { ...(used && { Authorization: 'Bearer ' + used }), ...(body ? { 'Content-Type': 'application/json' } : {}), ...headers },
            body: body ? JSON.stringify(body) : null,
            credentials,
            keepalive: !!keepalive,
            signal,
          })
          if (response.status === 401 && again) return
          if (!response.ok) throw await refusal(response)
          const text = await response.text()
          return { json: text && JSON.parse(text), headers: response.headers }
        }, timeoutMs)
        if (answer) return answer
        // Somebody else may have fetched a fresh one while this was refused.
        used = token === used ? await api.refresh('refused') : token
      }
    },

    /** As `exchange`, for the answer's body. */
    request: async <T = void>(method: string, path: string, body?: unknown, options?: RequestOptions): Promise<T> =>
      (await api.exchange(method, path, body, options)).json as T,
  }
  return api
}
