const INPUTS = ['pointerdown', 'pointermove', 'keydown', 'wheel', 'touchstart']
const THROTTLE = 1000 // ms; a mouse moves a hundred times a second, and one is enough

/** How an IdleDetector may be set up. */
export interface IdleOptions {
  /** After how long without input somebody is idle; 5 minutes, or what the server says. */
  idleAfterMs?: number
  /** Called for every input, at most once a second. */
  onInput?: () => void
}

/**
 * Tells when somebody stops touching this page, and when he is back. It listens passively, and where there is no page (on a
 * server) it does nothing. It can stand alone; a PresenceClient has one of its own.
 */
export class IdleDetector {
  /** When the last input came, by this clock. */
  lastInput = Date.now()
  /** Whether it has told of idleness. */
  isIdle = false
  readonly #onIdle: (() => void) | undefined
  readonly #onActive: (() => void) | undefined
  readonly #onInput: (() => void) | undefined
  #after: number
  #timer?: ReturnType<typeof setTimeout> | undefined
  readonly #listen = () => {
    if (Date.now() - this.lastInput >= THROTTLE || this.isIdle) this.input()
  }
  readonly #visible = () => {
    if (document.visibilityState === 'visible') this.input()
  }

  constructor(onIdle?: () => void, onActive?: () => void, { idleAfterMs = 300_000, onInput }: IdleOptions = {}) {
    this.#onIdle = onIdle
    this.#onActive = onActive
    this.#onInput = onInput
    this.#after = idleAfterMs
    if (typeof document !== 'object') return
    for (const name of INPUTS) document.addEventListener(name, this.#listen, { capture: true, passive: true })
    document.addEventListener('visibilitychange', this.#visible)
    this.#wait()
  }

  /** For how long there has been no input. */
  get idleMs(): number {
    return Math.max(0, Date.now() - this.lastInput)
  }

  get idleAfterMs(): number {
    return this.#after
  }

  set idleAfterMs(ms: number) {
    if (ms === this.#after) return
    this.#after = ms
    if (this.#timer) this.#wait()
  }

  /** Counts as input whatever the page takes for it, such as a game's controller or a playing film. */
  input(): void {
    this.lastInput = Date.now()
    if (this.isIdle) {
      this.isIdle = false
      this.#wait()
      this.#onActive?.()
    }
    this.#onInput?.()
  }

  /** Stops listening, for good. */
  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (typeof document !== 'object') return
    for (const name of INPUTS) document.removeEventListener(name, this.#listen, { capture: true })
    document.removeEventListener('visibilitychange', this.#visible)
  }

  // One timer that looks again, rather than one set anew by every input.
  #wait(): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      if (this.idleMs < this.#after) return this.#wait()
      this.isIdle = true
      this.#onIdle?.()
    }, this.#after - this.idleMs)
  }
}
