/**
 * The demo: a team room, as an application of presently-client and of nothing else.
 *
 * In development the server gives tokens for a few people to pages on its own machine, and `?as=` says who this one is. Elsewhere
 * it asks for a token.
 */
import { formatTyping, PresenceClient, PresenceError } from '../../../client/src/index.js'
import { claims } from '../../../client/src/api.js'
import { $, h, say } from './dom.js'
import { bindCopy, fillLines } from './lines.js'
import { showMe, type Try } from './me.js'
import { showPeople } from './people.js'
import { showConnection, showLog, showReasons } from './wire.js'

const ROOM = 'team-room'

interface Person {
  user: string
  name: string
  token: string
}

/** What `/home/people.json` says. */
interface People {
  people: Person[]
  /** This is development, but the page was not opened by a name of this machine. */
  elsewhere: boolean
  silenceMs: number
}

async function ask(signal?: AbortSignal): Promise<People> {
  const answer = await fetch('/home/people.json', { cache: 'no-store', signal: signal ?? null })
  if (!answer.ok) throw new Error(`HTTP ${answer.status}`)
  return answer.json() as Promise<People>
}

/** The one of whom the address speaks, or the first. */
const whoIsThis = ({ people }: People) => people.find(({ user }) => user === new URLSearchParams(location.search).get('as')) ?? people[0]

const attempt: Try = async (what) => {
  const problem = $('problem')
  try {
    await what
    problem.hidden = true
    return true
  } catch (error) {
    // Whoever leaves while something is under way wants no more of it.
    if (error instanceof PresenceError && error.code === 'closed') return false
    say(problem, 'That did not work: ' + (error instanceof Error ? error.message : String(error)))
    problem.hidden = false
    return false
  }
}

async function start(): Promise<void> {
  bindCopy()
  fillLines()
  const known = await ask()
  const me = whoIsThis(known)
  if (!me) return askForToken(known)
  showOthers(known.people, me)
  // A server that was started anew knows none of its old tokens, and gives others.
  const getToken = async ({ signal }: { signal: AbortSignal }) => {
    const now = whoIsThis(await ask(signal))
    if (now?.user !== me.user) throw new Error('the server does not give tokens any more')
    fillLines({ ...now, silenceMs: known.silenceMs })
    return now.token
  }
  const client = new PresenceClient({ getToken, userId: me.user })
  fillLines({ ...me, silenceMs: known.silenceMs })
  enter(client, me, new Map(known.people.map(({ user, name }) => [user, name])))
  befriend(client, known.people)
}

/** The demo's people are one another's contacts, or they would see little of each other. */
function befriend(client: PresenceClient, people: Person[]): void {
  const add = async () => {
    const { contacts } = await client.request<{ contacts: { userId: string }[] }>('GET', '/v1/contacts')
    const missing = people.filter(({ user }) => user !== client.userId && !contacts.some(({ userId }) => userId === user))
    await Promise.all(missing.map(({ user }) => client.request('PUT', '/v1/contacts/' + encodeURIComponent(user))))
  }
  const again = () => add().catch(() => {})
  void again()
  // A server that keeps all in its memory has forgotten them when it comes back.
  let was = client.status
  client.addEventListener('status', ({ detail: { status } }) => {
    if (status === 'live' && was !== 'live') void again()
    was = status
  })
}

function showOthers(people: Person[], me: Person): void {
  const others = $('others')
  others.hidden = false
  others.append(h('span', { class: 'quiet', 'aria-hidden': 'true' }, 'Open in another tab:'))
  for (const { user, name } of people.filter(({ user }) => user !== me.user))
    others.append(h('a', { class: 'button', href: '/?as=' + encodeURIComponent(user), target: '_blank', rel: 'noopener', 'aria-label': `Open ${name} in another tab` }, name, h('span', { 'aria-hidden': 'true' }, ' ↗')))
}

function askForToken({ elsewhere }: People): void {
  say($('port'), location.port || '80')
  $('elsewhere').hidden = !elsewhere
  const form = $('enter')
  form.hidden = false
  form.addEventListener('submit', async (event) => {
    event.preventDefault()
    const token = $<HTMLTextAreaElement>('token').value.trim()
    const { sub = '', profile } = claims(token) as { sub?: string; profile?: { name?: string } }
    const client = new PresenceClient({ token, userId: sub })
    try {
      await client.request('GET', '/v1/presence/me')
    } catch (error) {
      return say($('enter-problem'), error instanceof Error ? error.message : String(error))
    }
    form.remove()
    fillLines({ user: sub, token })
    enter(client, { user: sub, name: profile?.name || sub, token }, new Map([[sub, profile?.name || sub]]))
  })
}

function enter(client: PresenceClient, me: Person, team: ReadonlyMap<string, string>): void {
  document.title = `${me.name} · Team room · Presently`
  say($('my-name'), me.name)
  $('demo').hidden = false
  showConnection(client)
  showLog(client)
  showPeople(client, ROOM, team)
  showTyping(client)
  client.addEventListener('error', ({ detail }) => {
    // What is tried again by itself shows in the connection; what nobody can repair but the user, here.
    if (detail.status === 400 || detail.status === 403) void attempt(Promise.reject(detail))
  })
  client.addEventListener('roomRefused', () => void attempt(Promise.reject(new Error('your token does not grant this room'))))
  client.connect()
  void attempt(client.joinRoom(ROOM))
  showMe(client, me.name, attempt)
  const others = [...team].filter(([user]) => user !== me.user)
  showReasons(client, others, attempt)
  bindLeave(client)
}

function showTyping(client: PresenceClient): void {
  client.onTyping(ROOM, ({ typing }) => {
    say($('typing-text'), formatTyping(typing))
    $('typing').classList.toggle('on', typing.length > 0)
  })
  const pad = $<HTMLTextAreaElement>('pad')
  pad.addEventListener('input', () => (pad.value ? client.startTyping(ROOM) : client.stopTyping(ROOM)))
  pad.addEventListener('blur', () => client.stopTyping(ROOM))
}

function bindLeave(client: PresenceClient): void {
  const button = $('leave')
  button.addEventListener('click', () => {
    if (client.isOpen) client.close()
    else client.connect()
    say(button, client.isOpen ? 'Leave' : 'Come back')
  })
}

start().catch((error) => attempt(Promise.reject(error)).then(() => ($('demo').hidden = false)))
