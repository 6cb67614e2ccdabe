/** What happens to a page: it is hidden, frozen, put into the back-forward cache and taken out again, goes offline and comes back. */

export interface PageHandlers {
  /** It was hidden or shown. */
  visibility(hidden: boolean): void
  /** It ends, or sleeps; `persisted`: it may come back as it is. */
  hide(persisted: boolean): void
  /** It is back. */
  show(): void
  /** The network is back or another, or it is worth a look for some other reason. */
  wake(): void
  /** The network is gone. */
  offline(): void
}

/** Whether there is a page that nobody can see. */
export const isHidden = (): boolean => globalThis.document?.visibilityState === 'hidden'

/** Listens, where there is a page, and returns what ends it. Never to `unload`, which would keep it out of the back-forward cache. */
export function watchPage(handlers: PageHandlers): () => void {
  if (typeof document !== 'object' || typeof window !== 'object') return () => {}
  const ends: (() => void)[] = []
  const on = (target: EventTarget | undefined, name: string, run: (event: Event) => void) => {
    target?.addEventListener(name, run)
    ends.push(() => target?.removeEventListener(name, run))
  }
  on(document, 'visibilitychange', () => handlers.visibility(isHidden()))
  on(document, 'freeze', () => handlers.hide(true))
  on(document, 'resume', () => handlers.show())
  on(window, 'pagehide', (event) => handlers.hide((event as PageTransitionEvent).persisted))
  on(window, 'pageshow', () => handlers.show())
  on(window, 'online', () => handlers.wake())
  on(window, 'focus', () => handlers.wake())
  on(window, 'offline', () => handlers.offline())
  on((navigator as { connection?: EventTarget }).connection, 'change', () => handlers.wake())
  return () => ends.forEach((end) => end())
}
