// What a page of the documentation can do beyond being read: search, copy, link to a heading.
const up = document.currentScript.dataset.up
const $ = (id) => document.getElementById(id)

// The "type" of a problem document leads here, as /docs#problem-rate_limited.
const problem = () => {
  const [, code] = /^#problem-(\w+)$/.exec(location.hash) ?? []
  if (code) location.replace(`${up}docs/errors#${code}`)
}
problem()
addEventListener('hashchange', problem)

for (const heading of document.querySelectorAll('article :is(h2, h3)[id]')) {
  const link = document.createElement('a')
  link.className = 'anchor'
  link.href = '#' + heading.id
  link.textContent = '#'
  link.ariaLabel = 'Link to ' + heading.textContent
  heading.append(link)
}

for (const pre of document.querySelectorAll('article pre')) {
  const box = document.createElement('div')
  box.className = 'code'
  pre.replaceWith(box)
  const button = document.createElement('button')
  button.className = 'copy'
  button.textContent = 'Copy'
  button.onclick = async () => {
    await navigator.clipboard.writeText(pre.textContent).then(() => (button.textContent = 'Copied'), () => (button.textContent = 'Select it, and copy'))
    setTimeout(() => (button.textContent = 'Copy'), 2000)
  }
  box.append(pre, button)
}

const input = $('search')
const list = $('found')
input.parentElement.hidden = false
let index
let chosen = -1

/** Loads what can be found, once. */
const load = () => (index ??= fetch(up + 'docs/search.json').then((answer) => answer.json()).then((all) => all.map((one) => ({ ...one, all: `${one.t} ${one.h} ${one.x}`.toLowerCase() }))))

/** What has all words of a question, the best first. */
function find(all, words) {
  const points = (one) => {
    let sum = 0
    for (const word of words) {
      const at = one.all.indexOf(word)
      if (at < 0) return 0
      sum += 1
      if (one.t.toLowerCase().includes(word)) sum += 6
      if (one.h.toLowerCase().includes(word)) sum += 8
      if (/\W/.test(one.all[at - 1] ?? ' ')) sum += 2 // it begins a word
    }
    return sum
  }
  return all.map((one) => [points(one), one]).filter(([sum]) => sum).sort((a, b) => b[0] - a[0]).slice(0, 12).map(([, one]) => one)
}

/** The part of a text around the first of the words, with them marked. Everything is text: nothing is read as HTML. */
function excerpt(text, words) {
  const first = Math.max(0, Math.min(...words.map((word) => text.toLowerCase().indexOf(word)).filter((at) => at >= 0), text.length) - 40)
  const span = document.createElement('span')
  let rest = (first ? '…' : '') + text.slice(first, first + 140)
  while (rest) {
    const low = rest.toLowerCase()
    const [at, word] = words.map((one) => [low.indexOf(one), one]).filter(([place]) => place >= 0).sort((a, b) => a[0] - b[0])[0] ?? [rest.length, '']
    span.append(rest.slice(0, at))
    if (word) {
      const mark = document.createElement('mark')
      mark.textContent = rest.slice(at, at + word.length)
      span.append(mark)
    }
    rest = rest.slice(at + word.length)
  }
  return span
}

function show(found, words, asked) {
  chosen = -1
  list.replaceChildren(
    ...found.map((one, i) => {
      const item = document.createElement('li')
      item.id = 'found-' + i
      item.role = 'option'
      item.dataset.to = up + one.u
      const title = document.createElement('strong')
      title.textContent = one.h && one.h !== one.t && !one.h.startsWith(one.t + ': ') ? `${one.t} › ${one.h}` : one.t
      item.append(title, excerpt(one.x, words))
      item.onmousedown = (event) => event.preventDefault() // keeps the focus where it is
      item.onclick = () => go(item)
      return item
    }),
  )
  if (asked && !found.length) list.append(Object.assign(document.createElement('li'), { textContent: 'Nothing has all of these words.' }))
  list.hidden = !asked
  input.ariaExpanded = String(asked)
  input.removeAttribute('aria-activedescendant')
  $('count').textContent = asked ? `${found.length} found` : ''
}

function go(item) {
  show([], [], false)
  input.blur()
  location.href = item.dataset.to
}

function choose(step) {
  const all = [...list.querySelectorAll('[role=option]')]
  if (!all.length) return
  chosen = (chosen + step + all.length) % all.length
  all.forEach((item, i) => (item.ariaSelected = String(i === chosen)))
  all[chosen].scrollIntoView({ block: 'nearest' })
  input.setAttribute('aria-activedescendant', all[chosen].id)
}

input.onfocus = load
input.oninput = async () => {
  const asked = input.value
  const words = asked.toLowerCase().split(/\s+/).filter(Boolean)
  const all = await load()
  if (input.value === asked) show(words.length ? find(all, words) : [], words, words.length > 0)
}
input.onblur = () => show([], [], false)
input.onkeydown = (event) => {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
  if (step) choose(step)
  else if (event.key === 'Enter') {
    if (chosen < 0) choose(1)
    if (chosen >= 0) go(list.children[chosen])
  } else if (event.key === 'Escape') {
    input.value = ''
    show([], [], false)
  } else return
  event.preventDefault()
}
addEventListener('keydown', (event) => {
  if (event.key !== '/' || event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName)) return
  event.preventDefault()
  input.focus()
})
