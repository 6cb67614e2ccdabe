/** A browser in the test's process: Web Locks and channels, over which tabs meet, and tabs that can be killed and frozen. */
import { EventEmitter } from 'node:events'
import type { TabsEnvironment } from '../src/index.js'

// Node warns of many listeners at one signal, as of a leader that many tabs follow.
EventEmitter.defaultMaxListeners = 0

interface Request {
  name: string
  tab: FakeTab
  held(lock: unknown): unknown
  resolve(value: unknown): void
  reject(error: unknown): void
  isHeld: boolean
  done: boolean
}

const abort = () => new DOMException('aborted', 'AbortError')

export class FakeBrowser {
  requests: Request[] = []
  tabs: FakeTab[] = []

  tab(): FakeTab {
    const tab = new FakeTab(this)
    this.tabs.push(tab)
    return tab
  }

  holder(name: string): FakeTab | undefined {
    return this.requests.find((r) => r.isHeld && r.name === name)?.tab
  }

  /** Grants whatever can be, in the order in which it was asked for. */
  grant(): void {
    for (const request of [...this.requests]) {
      if (request.isHeld || request.done || this.requests.some((r) => r.isHeld && r.name === request.name)) continue
      this.hold(request)
    }
  }

  hold(request: Request): void {
    request.isHeld = true
    queueMicrotask(async () => {
      try {
        request.resolve(await request.held({ name: request.name }))
      } catch (error) {
        request.reject(error)
      }
      this.drop(request)
    })
  }

  drop(request: Request): void {
    request.done = true
    request.isHeld = false
    this.requests = this.requests.filter((r) => r !== request)
    this.grant()
  }
}

export class FakeTab implements TabsEnvironment {
  frozen = false
  dead = false
  channels: FakeChannel[] = []
  constructor(readonly browser: FakeBrowser) {}

  locks = {
    request: (name: string, options: LockOptions | LockGrantedCallback<unknown>, callback?: LockGrantedCallback<unknown>) =>
      new Promise((resolve, reject) => {
        const { signal, steal } = options as LockOptions
        const request: Request = { name, tab: this, held: callback as Request['held'], resolve, reject, isHeld: false, done: false }
        if (signal?.aborted) return reject(abort())
        if (steal) {
          for (const other of this.browser.requests.filter((r) => r.isHeld && r.name === name)) {
            other.done = true
            other.isHeld = false
            this.browser.requests = this.browser.requests.filter((r) => r !== other)
            other.tab.soon(() => other.reject(abort()))
          }
          this.browser.requests.push(request)
          return this.browser.hold(request)
        }
        signal?.addEventListener('abort', () => {
          if (request.isHeld || request.done) return
          this.browser.drop(request)
          reject(abort())
        })
        this.browser.requests.push(request)
        queueMicrotask(() => this.browser.grant())
      }),
  } as unknown as Pick<LockManager, 'request'>

  channel = (name: string): FakeChannel => {
    const channel = new FakeChannel(name, this)
    this.channels.push(channel)
    return channel
  }

  waiting: (() => void)[] = []

  /** Runs it now, or when the tab thaws, and never in a dead one. */
  soon(run: () => void): void {
    if (this.dead) return
    if (this.frozen) this.waiting.push(run)
    else queueMicrotask(() => this.dead || run())
  }

  /** The process is gone: locks are free, nothing is heard or said. */
  kill(): void {
    this.dead = true
    for (const request of this.browser.requests.filter((r) => r.tab === this)) this.browser.drop(request)
    this.channels = []
  }

  thaw(): void {
    this.frozen = false
    for (const run of this.waiting.splice(0)) run()
  }
}

class FakeChannel {
  onmessage: ((event: MessageEvent) => void) | null = null
  constructor(
    readonly name: string,
    readonly tab: FakeTab,
  ) {}

  postMessage(message: unknown): void {
    if (this.tab.dead) return
    for (const tab of this.tab.browser.tabs) {
      for (const channel of tab.channels) {
        if (channel === this || channel.name !== this.name) continue
        const data = structuredClone(message)
        tab.soon(() => tab.channels.includes(channel) && channel.onmessage?.({ data } as MessageEvent))
      }
    }
  }

  close(): void {
    this.tab.channels = this.tab.channels.filter((c) => c !== this)
  }
}
