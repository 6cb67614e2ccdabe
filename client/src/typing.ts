/** Tells the server that the user types: at the first stroke, again while it lasts, and when it is over. */

const REFRESH = 3000 // ms; half of what the server believes a mark for
const PAUSE = 5000 // ms without a stroke, after which it is over

interface Mark {
  room: string
  threadId: string | undefined
  sentAt: number
  timer?: ReturnType<typeof setTimeout>
}

export function createStrokes(send: (room: string, threadId: string | undefined, typing: boolean) => void) {
  const marks = new Map<string, Mark>()
  const keyOf = (room: string, threadId?: string) => JSON.stringify([room, threadId])
  const strokes = {
    /** To be called on every stroke; only the first in a while is sent. */
    start(room: string, threadId?: string): void {
      const key = keyOf(room, threadId)
      const mark = marks.get(key) ?? { room, threadId, sentAt: -Infinity }
      marks.set(key, mark)
      clearTimeout(mark.timer)
      mark.timer = setTimeout(strokes.stop, PAUSE, room, threadId)
      if (Date.now() - mark.sentAt < REFRESH) return
      mark.sentAt = Date.now()
      send(room, threadId, true)
    },

    /** To be called when the message is sent, the field left or emptied. */
    stop(room: string, threadId?: string): void {
      const key = keyOf(room, threadId)
      const mark = marks.get(key)
      clearTimeout(mark?.timer)
      if (marks.delete(key)) send(room, threadId, false)
    },

    stopAll(): void {
      marks.forEach(({ room, threadId }) => strokes.stop(room, threadId))
    },
  }
  return strokes
}
