/** The three lines to paste into a terminal. */
import { $ } from './dom.js'

/** Who pastes them, where that is known. */
export interface Author {
  user: string
  token: string
  silenceMs?: number
}

/** Puts this server and this user into the lines. */
export function fillLines(author?: Author): void {
  for (const e of document.querySelectorAll('.user')) e.textContent = author?.user ?? 'ada'
  for (const line of document.querySelectorAll('.line code')) {
    const source = (line.getAttribute('data-source') ?? line.textContent)!
    line.setAttribute('data-source', source)
    // In functions, for in a string of its own a $ would mean something.
    let text = source.replace('{origin}', () => location.origin).replace('{user}', () => encodeURIComponent(author?.user ?? 'ada').replace(/'/g, '%27'))
    if (author) text = text.replace('"Authorization: Bearer $TOKEN"', () => `'Authorization: Bearer ${author.token}'`)
    line.textContent = text
    line.parentElement!.tabIndex = 0 // it scrolls, so it must be reachable
  }
  $('lines-token').hidden = !!author
  if (author?.silenceMs) $('silence').textContent = `After ${author.silenceMs / 1000} s without another heartbeat`
}

/** Lets the buttons copy them. */
export function bindCopy(): void {
  for (const button of document.querySelectorAll<HTMLElement>('.copy')) {
    const id = button.dataset['line']!
    button.setAttribute('aria-label', `Copy line ${id.slice(-1)}`)
    button.addEventListener('click', () => void copy($(id)))
  }
}

async function copy(line: HTMLElement): Promise<void> {
  try {
    await navigator.clipboard.writeText(line.textContent ?? '')
    $('copied').textContent = 'Copied.'
  } catch {
    // Browsers have a clipboard only for https and for localhost.
    getSelection()?.selectAllChildren(line)
    $('copied').textContent = 'Selected: copy it with your keyboard.'
  }
}
