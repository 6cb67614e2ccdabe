import type { PresenceClient } from './client.js'

const LINGER = 1500 // ms; React's strict mode and hot reloading take down and put up at once

interface Hold {
  count: number
  timer?: ReturnType<typeof setTimeout>
}

const holds = new WeakMap<PresenceClient, Hold>()

/**
 * Keeps a client connected for as long as anybody holds it, and a moment longer. One that the application has connected
 * itself is left as it is.
 */
export function hold(client: PresenceClient): () => void {
  const held = holds.get(client)
  if (!held && client.isOpen) return () => {}
  const mine = held ?? { count: 0 }
  holds.set(client, mine)
  clearTimeout(mine.timer)
  if (!mine.count++) client.connect()
  let released = false
  return () => {
    if (released) return
    released = true
    if (--mine.count) return
    mine.timer = setTimeout(() => {
      holds.delete(client)
      client.close()
    }, LINGER)
  }
}
