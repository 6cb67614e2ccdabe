/**
 * Timers that keep their pace in a hidden tab.
 *
 * Browsers slow the timers of a hidden page to one a minute, but not those of a Worker. Where a Worker cannot be had (no
 * `worker-src blob:` in the page's CSP, not a browser), the page's own timers do, and `steady` says so.
 */

// Sent as [id, ms] to set and as [id, -1] to clear; answers with the id.
export const SOURCE = 'let t={};onmessage=({data:[i,m]})=>{clearTimeout(t[i]);delete t[i];m<0||(t[i]=setTimeout(()=>{delete t[i];postMessage(i)},m))}'

const LONGEST = 2 ** 31 - 1 // ms; what is longer, a browser takes for nothing

interface Alarm {
  run: () => void
  due: number
  handle?: ReturnType<typeof setTimeout>
}

/** A handful of timeouts that share one Worker. */
export type Timers = ReturnType<typeof createTimers>

export function createTimers(wanted = true) {
  const alarms = new Map<number, Alarm>()
  let last = 0
  let worker: Worker | undefined

  const fire = (id: number) => {
    const alarm = alarms.get(id)
    alarms.delete(id)
    alarm?.run()
  }
  const arm = (id: number, ms: number) => {
    if (worker) worker.postMessage([id, ms])
    else alarms.get(id)!.handle = setTimeout(fire, ms, id)
  }
  const fallBack = () => {
    wanted = false
    worker = undefined
    alarms.forEach((alarm, id) => arm(id, alarm.due - Date.now()))
  }
  const start = () => {
    if (worker || !wanted || typeof Worker !== 'function' || typeof document !== 'object') return
    try {
      const url = URL.createObjectURL(new Blob([SOURCE]))
      worker = new Worker(url)
      URL.revokeObjectURL(url)
      worker.onmessage = (event) => fire(event.data as number)
      // A Content-Security-Policy refuses some browsers' Workers here, and others' in the constructor.
      worker.onerror = fallBack
    } catch {
      fallBack()
    }
  }

  const timers = {
    /** Whether they keep their pace while the page is hidden. */
    steady: () => !!worker,

    /** Calls `run` once, after `wait` ms, and returns what clears it. */
    set(wait: number, run: () => void): number {
      const ms = Math.min(wait, LONGEST)
      start()
      alarms.set(++last, { run, due: Date.now() + ms })
      arm(last, ms)
      return last
    },

    clear(id = 0): void {
      const alarm = alarms.get(id)
      if (!alarm) return
      alarms.delete(id)
      clearTimeout(alarm.handle)
      worker?.postMessage([id, -1])
    },

    /** Clears all of them and ends the Worker; the next `set` starts another. */
    stop(): void {
      alarms.forEach((_, id) => timers.clear(id))
      worker?.terminate()
      worker = undefined
    },
  }
  return timers
}
