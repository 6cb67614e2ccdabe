/** CONFORMANCE.md names tests that are there. */
import { existsSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

const page = readFileSync(new URL('../CONFORMANCE.md', import.meta.url), 'utf8')
const named = [...page.matchAll(/(?<!`)(`{1,2})([\w/-]+\.(?:test\.tsx?|mjs|test\.mjs)): (.+?)\1(?!`)/g)].map(([, , file, name]) => [file!, name!] as const)

test('it names tests for each of the 14 points', () => {
  expect(named.length).toBeGreaterThan(90)
  const points = new Set([...page.matchAll(/^\| (\d+) \|/gm)].map(([, point]) => +point!))
  expect([...points].sort((a, b) => a - b)).toEqual(Array.from({ length: 14 }, (_, i) => i + 1))
})

test.each([...new Map(named.map((one) => [one.join(': '), one])).values()])('%s has "%s"', (file, name) => {
  const url = new URL(file.endsWith('.mjs') ? '../../e2e/browser/' + file : file, import.meta.url)
  // A bare copy of this package has no browsers beside it.
  if (file.endsWith('.mjs') && !existsSync(new URL('../../e2e/', import.meta.url))) return
  const code = readFileSync(url, 'utf8')
  const quoted = ["'", '`', '"'].map((quote) => quote + name + quote)
  // As the name of a test, and nowhere else.
  expect(quoted.some((text) => new RegExp('(test|describe|story)(\\.each\\([^]*?\\)|\\.each<[^]*?\\))?\\($').test(code.slice(0, Math.max(0, code.indexOf(text)))))).toBe(true)
})
