const LINGER = 1500 // ms; a change of route takes down and puts up what watches the same

/** Counts who wants what. What nobody wants any more lingers for a moment, in case somebody wants it again. */
export type Refs = ReturnType<typeof createRefs>

export function createRefs(changed: () => void, linger = LINGER) {
  const counts = new Map<string, number>()
  let timer: ReturnType<typeof setTimeout> | undefined
  const refs = {
    has: (id: string): boolean => counts.has(id),

    keys: (): string[] => [...counts.keys()],

    add(id: string): void {
      const count = counts.get(id)
      counts.set(id, (count ?? 0) + 1)
      if (count === undefined) changed()
    },

    /** To let go once more than was taken does nothing. */
    remove(id: string): void {
      const count = counts.get(id)
      if (!count) return
      counts.set(id, count - 1)
      if (count === 1) timer ??= setTimeout(refs.sweep, linger)
    },

    /** Forgets what nobody wants, now. */
    sweep(): void {
      clearTimeout(timer)
      timer = undefined
      const before = counts.size
      counts.forEach((count, id) => count || counts.delete(id))
      if (counts.size < before) changed()
    },
  }
  return refs
}
