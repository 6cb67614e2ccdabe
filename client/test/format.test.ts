import { describe, expect, test } from 'vitest'
import { formatActivity, formatLastSeen, formatStatus, formatTyping, isHere } from '../src/index.js'
import { aboutText, seenText } from '../src/show.js'

const now = Date.parse('2026-11-22T10:00:00Z')
const seconds = 1000
const minutes = 60 * seconds
const hours = 60 * minutes
const days = 24 * hours

describe('formatLastSeen', () => {
  test.each([
    [0, 'Just now'],
    [-5 * minutes, 'Just now'],
    [59 * seconds, 'Just now'],
    [minutes, '1m ago'],
    [59 * minutes, '59m ago'],
    [hours, '1h ago'],
    [23 * hours, '23h ago'],
    [days, '1d ago'],
    [6 * days + 23 * hours, '6d ago'],
    [7 * days, new Date(now - 7 * days).toLocaleDateString()],
  ])('%i ms ago', (ago, text) => {
    expect(formatLastSeen(new Date(now - ago), {}, now)).toBe(text)
    expect(formatLastSeen(new Date(now - ago).toISOString(), {}, now)).toBe(text)
    expect(formatLastSeen(now - ago, {}, now)).toBe(text)
  })

  test('what is not known is never', () => {
    for (const at of [null, undefined, '', 'nonsense', NaN]) expect(formatLastSeen(at)).toBe('Never')
  })

  test('in other words', () => {
    expect(formatLastSeen(now - 5 * minutes, { ago: (amount) => 'vor ' + amount }, now)).toBe('vor 5m')
    expect(formatLastSeen(null, { never: 'Nie' })).toBe('Nie')
  })
})

describe('formatTyping', () => {
  const ada = { userId: 'ada', profile: { name: 'Ada' } }
  test('none, one, two, many', () => {
    expect(formatTyping([])).toBe('')
    expect(formatTyping([ada])).toBe('Ada is typing…')
    expect(formatTyping([ada, 'ben'])).toBe('Ada and ben are typing…')
    expect(formatTyping([ada, 'ben', 'cyd'])).toBe('3 people are typing…')
  })
  test('one in two threads is one, two of one name are two', () => {
    expect(formatTyping([ada, ada])).toBe('Ada is typing…')
    expect(formatTyping([ada, { userId: 'other', profile: { name: 'Ada' } }])).toBe('Ada and Ada are typing…')
  })
  test('in other words', () => {
    const words = { one: (name: string) => `${name} schreibt`, many: (count: number, names: string[]) => `${names[0]} und ${count - 1} andere` }
    expect(formatTyping(['a'], words)).toBe('a schreibt')
    expect(formatTyping(['a', 'b', 'c'], words)).toBe('a und 2 andere')
  })
})

describe('formatActivity', () => {
  test.each([
    [{ type: 'viewing', target: '/docs/7' }, 'Viewing /docs/7'],
    [{ type: 'viewing', target: '/docs/7', label: 'The design' }, 'Viewing The design'],
    [{ type: 'viewing' }, 'Viewing'],
    [{ type: 'typing' }, 'Typing…'],
    [{ type: 'busy', label: 'Deploying' }, 'Deploying'],
    [{ type: 'in_call' }, 'In a call'],
    [{ type: 'custom', label: 'Dancing' }, 'Dancing'],
    [{ type: 'new_in_a_later_version', label: 'Something' }, 'Something'],
    [{ type: 'constructor' }, ''],
    [null, ''],
    [undefined, ''],
  ] as [any, string][])('%j', (activity, text) => expect(formatActivity(activity)).toBe(text))
})

test('formatStatus', () => {
  expect([formatStatus('dnd'), formatStatus(null), formatStatus('away', { away: 'weg' })]).toEqual(['Do not disturb', 'Unknown', 'weg'])
})

test('isHere', () => {
  expect((['online', 'away', 'busy', 'dnd', 'offline', 'invisible'] as const).map((status) => isHere({ status }))).toEqual([true, true, true, true, false, false])
  expect(isHere(undefined)).toBe(false)
})

test('what components say', () => {
  const view = { userId: 'ben', notify: true, rev: 1, stale: false }
  const at = new Date(Date.now() - 5 * minutes).toISOString()
  expect(seenText({ ...view, status: 'offline', lastSeenAt: at })).toBe('Last seen 5m ago')
  expect(seenText({ ...view, status: 'offline' })).toBe('Offline')
  expect(seenText({ ...view, status: 'away', lastActiveAt: at })).toBe('Away, last active 5m ago')
  expect(seenText({ ...view, status: 'busy' })).toBe('Busy')
  expect(seenText(null)).toBe('')
  expect(aboutText({ ...view, status: 'busy', custom: { text: '', emoji: '🍜' } })).toBe('🍜')
  expect(aboutText({ ...view, status: 'busy', custom: { text: 'Lunch', emoji: '🍜' } })).toBe('🍜 Lunch')
  expect(aboutText({ ...view, status: 'busy', activity: { type: 'in_call', since: at } })).toBe('In a call')
})
