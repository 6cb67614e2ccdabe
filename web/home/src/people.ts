/** Who is here, and who was. */
import { formatActivity, formatStatus, isHere, nameOf, type PresenceClient, type PresenceView } from '../../../client/src/index.js'
import { lastTime, seenText } from '../../../client/src/show.js'
import { $, clock, createAvatar, h, say } from './dom.js'

/** How one person is shown. */
export function createPerson(userId: string, isMe: boolean) {
  const avatar = createAvatar(userId)
  const name = h('bdi', { class: 'name' })
  const status = h('span', { class: 'status' })
  const emoji = h('span', { class: 'said-emoji' })
  const words = h('bdi')
  const until = h('span', { class: 'quiet' })
  const custom = h('p', { class: 'said' }, emoji, words, until)
  const doing = h('p', { class: 'doing' })
  const element = h(
    'li',
    { class: 'person' },
    avatar.element,
    h('div', { class: 'about' }, h('p', { class: 'who' }, name, isMe && h('span', { class: 'tag' }, 'you'), status), custom, doing),
  )
  element.dataset['user'] = userId
  return {
    element,
    show(view: PresenceView | undefined, fallback: string, typing: boolean) {
      const shown = view ? nameOf(view) : fallback
      // A name that is only the id may be known better from before he left.
      const called = view && !view.profile?.name ? fallback : shown
      avatar.show(called, view)
      say(name, called)
      element.dataset['status'] = view?.status ?? 'unknown'
      element.dataset['stale'] = String(view?.stale ?? false)
      const gone = view && lastTime(view)
      say(status, view ? (gone ? seenText(view) : formatStatus(view.status)) : 'Not known')
      status.title = gone ? clock(gone, 'medium') : ''
      custom.hidden = !view?.custom
      say(emoji, view?.custom?.emoji ?? '')
      say(words, view?.custom?.text ?? '')
      say(until, isMe && view?.custom?.expiresAt ? `until ${clock(view.custom.expiresAt)}` : '')
      const does = typing ? 'Typing…' : formatActivity(view?.activity)
      doing.hidden = !does
      say(doing, does)
    },
  }
}

type Person = ReturnType<typeof createPerson>

const TICK = 20_000 // ms; "5m ago" goes on

/** Shows the members of a room, and those whom we know and who are not in it. */
export function showPeople(client: PresenceClient, room: string, team: ReadonlyMap<string, string>): void {
  const rows = new Map<string, Person>()
  const names = new Map(team)
  let before: Map<string, string> | undefined // how everybody looked when we last told

  const draw = () => {
    const { members, isLoading, isRefused, userCount } = client.getRoom(room)
    const typing = new Set(client.getTyping(room).map((typist) => typist.userId))
    const self = client.userId
    for (const member of members) remember(member)
    const inRoom = new Set(members.filter((member) => isHere(member) || member.userId === self).map((member) => member.userId))
    const views = [...names].map(([userId, name]) => ({ userId, name, view: client.getPresence(userId) }))
    views.sort((a, b) => Number(b.userId === self) - Number(a.userId === self) || a.name.localeCompare(b.name))
    const here: Node[] = []
    const gone: Node[] = []
    for (const { userId, name, view } of views) {
      const row = rows.get(userId) ?? createPerson(userId, userId === self)
      rows.set(userId, row)
      row.show(view, name, typing.has(userId))
      ;(inRoom.has(userId) ? here : gone).push(row.element)
    }
    place($('here'), here)
    place($('gone'), gone)
    $('gone-section').hidden = !gone.length
    $('here-none').hidden = here.length > 0
    say($('here-none'), isLoading ? 'Coming in…' : isRefused ? 'Your token does not grant this room.' : 'Nobody is here.')
    say($('here-count'), String(userCount))
    if (!isLoading) announce(views.filter(({ userId }) => userId !== self))
  }
  // Those who come are watched from then on, so that it can be said when they were last here.
  const remember = (member: PresenceView) => {
    if (!names.has(member.userId) && member.userId !== client.userId) client.watch('user', member.userId, soon)
    if (member.profile?.name || !names.has(member.userId)) names.set(member.userId, nameOf(member))
  }
  const announce = (views: { userId: string; name: string; view: PresenceView | undefined }[]) => {
    const now = new Map(views.flatMap(({ userId, view }) => (view ? [[userId, view.status]] : [])))
    const told: string[] = []
    for (const { userId, name } of views) {
      const was = before?.get(userId)
      const is = now.get(userId)
      if (!before || was === is || !is) continue
      if (is === 'offline') told.push(`${name} has left.`)
      else if (!was || was === 'offline') told.push(`${name} is here.`)
      else told.push(`${name}: ${formatStatus(is)}.`)
    }
    before = now
    if (told.length) say($('news'), told.join(' '))
  }
  let scheduled = false
  const soon = () => {
    if (scheduled) return
    scheduled = true
    queueMicrotask(() => {
      scheduled = false
      draw()
    })
  }

  client.watch('room', room, soon, true)
  client.watch('typing', room, soon)
  for (const userId of names.keys()) client.watch('user', userId, soon)
  client.addEventListener('status', soon)
  setInterval(draw, TICK)
}

// Moves no more than it must: a row that stays keeps its place, and whatever reads it stays with it.
function place(list: Element, rows: Node[]): void {
  rows.forEach((row, i) => {
    if (list.children[i] !== row) list.insertBefore(row, list.children[i] ?? null)
  })
  while (list.children.length > rows.length) list.lastElementChild!.remove()
}
