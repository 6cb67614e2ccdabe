/** What the page is made of. Text is always text: nothing here takes markup. */
import type { PresenceView } from '../../../client/src/index.js'
import { dotLabel, SHAPES, type DotStatus } from '../../../client/src/show.js'

type Child = Node | string | false | null | undefined

/** Finds an element of the page, which must be there. */
export function $<T extends HTMLElement = HTMLElement>(id: string): T {
  const element = document.getElementById(id)
  if (!element) throw new Error('no #' + id)
  return element as T
}

/** Makes an element. */
export function h<K extends keyof HTMLElementTagNameMap>(tag: K, attributes: Record<string, string> = {}, ...children: Child[]): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value)
  element.append(...children.filter((child) => child !== false && child != null) as (Node | string)[])
  return element
}

/** Changes a text only if it is another, so that screen readers hear no more than changes. */
export function say(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text
}

const SVG = 'http://www.w3.org/2000/svg'

/** A dot that shows a status by shape and colour, and says it in words. */
export function createDot(): { element: SVGElement; show(status: DotStatus, stale: boolean): void } {
  const element = document.createElementNS(SVG, 'svg')
  const path = document.createElementNS(SVG, 'path')
  for (const [name, value] of Object.entries({ class: 'dot', viewBox: '0 0 10 10', role: 'img' })) element.setAttribute(name, value)
  path.setAttribute('fill-rule', 'evenodd')
  element.append(path)
  return {
    element,
    show(status, stale) {
      element.setAttribute('data-status', status)
      element.setAttribute('data-stale', String(stale))
      element.setAttribute('aria-label', dotLabel(status, stale))
      path.setAttribute('d', SHAPES[status])
    },
  }
}

/** The first letters of the first two words of a name. */
export function initials(name: string): string {
  const words = name.split(/[\s_.-]+/u).filter((word) => /[\p{L}\p{N}]/u.test(word))
  const first = (word: string) => [...word].find((c) => /[\p{L}\p{N}]/u.test(c)) ?? ''
  return (words.slice(0, 2).map(first).join('') || [...name][0] || '?').toLocaleUpperCase()
}

const HUES = 8

/** A colour for somebody, always the same; the stylesheet knows which. */
export function hue(userId: string): string {
  let sum = 0
  for (const c of userId) sum = (sum * 37 + c.codePointAt(0)!) % 9973
  return String((sum >> 2) % HUES)
}

/** A round picture of a name, with a dot on it. */
export function createAvatar(userId: string) {
  const letters = h('span', { class: 'letters', 'aria-hidden': 'true' })
  const dot = createDot()
  const element = h('span', { class: 'avatar', 'data-hue': hue(userId) }, letters, dot.element)
  return {
    element,
    show(name: string, view: Pick<PresenceView, 'status' | 'stale'> | undefined) {
      say(letters, initials(name))
      dot.show(view?.status ?? 'unknown', view?.stale ?? false)
    },
  }
}

/** A menu of choices, as options. */
export function fill(select: HTMLSelectElement, choices: readonly (readonly [value: string, text: string])[], chosen = select.value): void {
  select.replaceChildren(...choices.map(([value, text]) => h('option', { value }, text)))
  if (choices.some(([value]) => value === chosen)) select.value = chosen
}

/** A moment by the clock on the wall, as the reader writes it: to the minute, or to the second; with the day where it is another. */
export function clock(at: string | number | Date, timeStyle: 'short' | 'medium' = 'short'): string {
  const date = new Date(at)
  const today = date.toDateString() === new Date().toDateString()
  return date.toLocaleString([], today ? { timeStyle } : { timeStyle, dateStyle: 'medium' })
}
