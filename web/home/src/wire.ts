/** What goes over the wire: the events of the stream, and the server's reasons. */
import { formatStatus, type PresenceClient } from '../../../client/src/index.js'
import type { Explanation } from '../../../client/src/api.gen.js'
import { $, clock, fill, h, say } from './dom.js'
import type { Try } from './me.js'

const LINES = 200 // events that are kept

/** Shows each event as it came. */
export function showLog(client: PresenceClient): void {
  const log = $('log')
  const lines = log.querySelector('ol')!
  client.addEventListener('event', ({ detail: { event, data, id } }) => {
    const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40
    const code = h('code', { title: id && 'id: ' + id }, ...JSON.stringify(data).split(/(?<=[,:{[])/).flatMap((part) => [part, h('wbr')]))
    lines.append(h('li', { 'data-event': event }, h('span', { class: 'head' }, h('b', {}, event), h('time', {}, clock(Date.now(), 'medium'))), code))
    while (lines.childElementCount > LINES) lines.firstElementChild!.remove()
    if (atEnd) log.scrollTop = log.scrollHeight // else somebody is reading
  })
  $('log-clear').addEventListener('click', () => lines.replaceChildren())
}

const LATER = 400 // ms; several changes at once are one look

/** Shows why the user looks as he does, to himself and to another. */
export function showReasons(client: PresenceClient, others: readonly (readonly [string, string])[], attempt: Try): void {
  const card = $<HTMLDetailsElement>('explain-card')
  const viewer = $<HTMLSelectElement>('viewer')
  fill(viewer, [['', 'Yourself'], ...others])
  let timer: ReturnType<typeof setTimeout> | undefined
  const look = async () => {
    clearTimeout(timer)
    if (!card.open || !client.isOpen) return
    const query = viewer.value ? '?viewer=' + encodeURIComponent(viewer.value) : ''
    await attempt(client.request<Explanation>('GET', '/v1/presence/me/explain' + query).then(draw))
  }
  const soon = () => {
    clearTimeout(timer)
    timer = setTimeout(() => void look(), LATER)
  }
  card.addEventListener('toggle', () => void look())
  viewer.addEventListener('change', () => void look())
  $('explain-again').addEventListener('click', () => void look())
  if (client.userId) client.watch('user', client.userId, soon)
  client.addEventListener('beat', soon)
}

const seconds = (ms: number) => (ms < 60_000 ? `${Math.round(ms / 1000)} s` : `${Math.round(ms / 60_000)} min`)

function draw({ status, because, chosen, sessions, viewer }: Explanation): void {
  const rows = sessions.map((session) =>
    h(
      'tr',
      {},
      h('td', {}, session.device ?? 'other', h('small', {}, session.sessionId.slice(0, 8))),
      h('td', {}, formatStatus(session.countsAs), h('small', {}, session.left ? 'has left' : session.visibility)),
      h('td', {}, seconds(session.beatAgeMs) + ' ago'),
      h('td', {}, seconds(session.remainingMs)),
    ),
  )
  // What is read out is the reason, when it is another. Ages and ends are others at each beat.
  const [bold, rest] = $('because').children
  say(bold!, formatStatus(status))
  say(rest!, ': ' + because)
  $('explain').replaceChildren(
    chosen?.expiresAt && !chosen.expired ? h('p', { class: 'quiet' }, `The choice ends at ${clock(chosen.expiresAt)}.`) : '',
    viewer ? h('p', {}, 'To ', h('bdi', {}, viewer.userId), ': ', h('strong', {}, formatStatus(viewer.presence.status)), '. ', viewer.because) : '',
    rows.length
      ? h(
          'table',
          {},
          h('caption', { class: 'unseen' }, 'Sessions that count'),
          h('thead', {}, h('tr', {}, ...['Session', 'Counts as', 'Last beat', 'Ends in'].map((text) => h('th', { scope: 'col' }, text)))),
          h('tbody', {}, ...rows),
        )
      : h('p', { class: 'quiet' }, 'No session counts.'),
  )
}

const CONNECTION: Record<string, string> = {
  idle: 'Not connected',
  connecting: 'Connecting…',
  live: 'Live',
  stale: 'Reconnecting…',
  backoff: 'Connection lost, trying again…',
  suspended: 'Paused',
  closed: 'You have left',
}

/** Shows how the connection stands. */
export function showConnection(client: PresenceClient): void {
  const draw = () => {
    const { status, stale, degraded } = client.connection
    const pill = $('connection')
    pill.dataset['status'] = degraded ? 'degraded' : status
    say(pill, degraded ? 'Live, but the server has lost its store' : (CONNECTION[status] ?? status))
    // Nothing was known before there was a connection, and nothing has to be known of those whom one has left.
    const lost = stale && ['stale', 'backoff', 'live'].includes(status)
    $('stale').hidden = !lost
    say($('stale'), lost ? 'People are shown as they were when they were last heard of. Nobody is shown as offline because you cannot see them.' : '')
  }
  client.addEventListener('status', draw)
  draw()
}
