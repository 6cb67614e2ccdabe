/** What one can say of oneself. */
import { formatStatus, nameOf, type ChosenStatus, type Doing, type PresenceClient, type Privacy } from '../../../client/src/index.js'
import { AUDIENCES, PRIVACY_WORDS, SETTINGS } from '../../../client/src/show.js'
import { $, clock, createAvatar, createDot, fill, h, say } from './dom.js'

const CHOICES: readonly (readonly [ChosenStatus | 'automatic', string])[] = [
  ['automatic', 'Automatic'],
  ['online', 'Online'],
  ['away', 'Away'],
  ['busy', 'Busy'],
  ['dnd', 'Do not disturb'],
  ['invisible', 'Invisible'],
]

const HINTS: Record<ChosenStatus | 'automatic', string> = {
  automatic: 'Online while you use a device, away when you stop.',
  online: 'Online for a week, whatever your devices say.',
  away: 'Away for a week, whatever your devices say.',
  busy: 'Busy for a day.',
  dnd: 'For a day; applications are told not to notify you.',
  invisible: 'To the others you went offline just now. It never ends by itself.',
}

const PRESETS: readonly (readonly [string, string])[] = [
  ['☕', 'Coffee'],
  ['⚡', 'Focus time'],
  ['☎️', 'On the phone'],
  ['✈️', 'Travelling'],
]

const ACTIVITIES: readonly (readonly [string, Doing | null])[] = [
  ['Viewing the team room', { type: 'viewing', target: '/team-room', label: 'the team room' }],
  ['Viewing the roadmap', { type: 'viewing', target: '/docs/roadmap', label: 'the roadmap' }],
  ['In a call', { type: 'in_call' }],
  ['In a meeting', { type: 'in_meeting' }],
  ['Presenting', { type: 'presenting' }],
  ['Nothing in particular', null],
]

/** Runs what a control asks for, and tells where that fails. */
export type Try = (what: Promise<unknown>) => Promise<boolean>

/** Shows the user himself, and what he may choose. */
export function showMe(client: PresenceClient, myName: string, attempt: Try): void {
  const avatar = createAvatar(client.userId ?? '')
  const name = h('bdi', { class: 'name' })
  const status = h('span', { class: 'quiet' })
  $('me').replaceChildren(avatar.element, h('p', {}, name, h('br'), status))

  const radios = showChoices(client, attempt)
  const draw = () => {
    const view = client.userId ? client.getPresence(client.userId) : undefined
    const called = view?.profile ? nameOf(view) : myName
    avatar.show(called, view)
    say(name, called)
    const devices = Object.entries(view?.devices ?? {}).map(([device, state]) => `${device}: ${formatStatus(state).toLowerCase()}`)
    say(status, [formatStatus(view?.status), ...devices].join(' · '))
    const chosen = view?.chosen ?? 'automatic'
    if (view) for (const [value, radio] of radios) radio.checked = value === chosen
    say($('status-hint'), HINTS[chosen])
    const { custom } = view ?? {}
    say($('custom-hint'), custom ? `Others see: ${[custom.emoji, custom.text].filter(Boolean).join(' ')}${custom.expiresAt ? `, until ${clock(custom.expiresAt)}` : ''}` : '')
    $<HTMLButtonElement>('custom-clear').disabled = !custom
  }
  if (client.userId) client.watch('user', client.userId, draw)
  client.addEventListener('status', draw)
  draw()
  bindCustom(client, attempt)
  bindActivity(client, attempt)
  bindPrivacy(client, attempt)
}

function showChoices(client: PresenceClient, attempt: Try) {
  const radios = new Map<string, HTMLInputElement>()
  for (const [value, text] of CHOICES) {
    const radio = h('input', { type: 'radio', name: 'status', value })
    const dot = createDot()
    dot.show(value === 'automatic' ? 'online' : value, false)
    dot.element.setAttribute('aria-hidden', 'true')
    radios.set(value, radio)
    radio.addEventListener('change', () => void attempt(value === 'automatic' ? client.clearStatus() : client.setStatus(value)))
    $('status').append(h('label', { class: 'choice' }, radio, value === 'automatic' ? h('span', { class: 'auto', 'aria-hidden': 'true' }, 'A') : dot.element, text))
  }
  return radios
}

function bindCustom(client: PresenceClient, attempt: Try): void {
  const emoji = $<HTMLInputElement>('custom-emoji')
  const text = $<HTMLInputElement>('custom-text')
  const expiry = $<HTMLSelectElement>('custom-expiry')
  const set = async () => {
    if (!text.value.trim() && !emoji.value.trim()) return text.focus()
    const choice = { text: text.value.trim(), emoji: emoji.value.trim() || undefined, expiresInMs: Number(expiry.value) }
    if (await attempt(client.setCustomStatus(choice))) text.value = emoji.value = ''
  }
  for (const [face, words] of PRESETS) {
    const chip = h('button', { type: 'button', class: 'chip' }, h('span', { 'aria-hidden': 'true' }, face), ' ', words)
    chip.addEventListener('click', () => {
      emoji.value = face
      text.value = words
      void set()
    })
    $('presets').append(chip)
  }
  $('custom').addEventListener('submit', (event) => {
    event.preventDefault()
    void set()
  })
  $('custom-clear').addEventListener('click', () => void attempt(client.setCustomStatus(null)))
}

function bindActivity(client: PresenceClient, attempt: Try): void {
  const select = $<HTMLSelectElement>('activity')
  fill(
    select,
    ACTIVITIES.map(([text], i) => [String(i), text]),
  )
  const tell = () => void attempt(client.setActivity(ACTIVITIES[Number(select.value)]![1]))
  select.addEventListener('change', tell)
  tell()
}

function bindPrivacy(client: PresenceClient, attempt: Try): void {
  const fieldset = $<HTMLFieldSetElement>('privacy')
  const selects = new Map<keyof Privacy, HTMLSelectElement>()
  const show = (privacy: Privacy) => {
    fieldset.disabled = false
    for (const [setting, select] of selects) select.value = privacy[setting]
  }
  const read = () => client.getPrivacy().then(show)
  for (const setting of SETTINGS) {
    const select = h('select', { id: 'privacy-' + setting })
    fill(
      select,
      AUDIENCES.map((audience) => [audience, PRIVACY_WORDS[audience]]),
    )
    select.addEventListener('change', async () => {
      if (!(await attempt(client.setPrivacy({ [setting]: select.value }).then(show)))) void read().catch(() => {})
    })
    selects.set(setting, select)
    fieldset.append(h('div', { class: 'row' }, h('label', { for: select.id }, PRIVACY_WORDS[setting]), select))
  }
  // Read when it is looked at: another tab may have changed it.
  $<HTMLDetailsElement>('privacy-card').addEventListener('toggle', (event) => {
    if ((event.target as HTMLDetailsElement).open) void attempt(read())
  })
}
