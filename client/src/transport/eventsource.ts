import { PresenceError } from '../problem.js'
import type { Transport } from './stream.js'

const NAMES = ['hello', 'snapshot', 'presence', 'room', 'typing', 'ping', 'degraded', 'recovered', 'tokenExpiring', 'reconnect', 'problem']

/**
 * A transport by native EventSource, for where fetch cannot stream: `new PresenceClient({ transport: eventSourceStream })`.
 *
 * Only one attempt is left to EventSource. Coming back is ours, since it would give up for ever on every status but 200.
 */
export const eventSourceStream: Transport = ({ url, lastEventId, signal, credentials, onEvent, onActivity }) =>
  new Promise((resolve, reject) => {
    const resume = lastEventId && '&lastEventId=' + encodeURIComponent(lastEventId)
    const source = new EventSource(url + '&errors=stream' + resume, { withCredentials: credentials === 'include' })
    const end = (settle: () => void) => {
      source.close()
      settle()
    }
    for (const event of NAMES) {
      source.addEventListener(event, ({ data, lastEventId: id }: MessageEvent<string>) => {
        onActivity()
        // Our own, as long as the stream has set none.
        onEvent({ event, data, id: id || lastEventId })
      })
    }
    let opened = false
    source.onopen = () => {
      opened = true
      onActivity()
    }
    source.onerror = () => end(opened ? resolve : () => reject(new PresenceError('the stream cannot be opened')))
    signal.addEventListener('abort', () => end(resolve), { once: true })
  })
