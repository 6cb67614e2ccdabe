/** How long is waited, whatever chance says. */
import fc from 'fast-check'
import { afterEach, expect, test, vi } from 'vitest'
import { createBackoff } from '../src/backoff.js'

afterEach(() => void vi.restoreAllMocks())

test('waits are anywhere between half a second and a bound that doubles, up to twenty seconds', () => {
  const chance = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
  fc.assert(
    fc.property(fc.nat(1e9), fc.array(chance, { minLength: 1, maxLength: 40 }), (base, chances) => {
      const backoff = createBackoff()
      backoff.base = base
      chances.forEach((value, attempt) => {
        vi.spyOn(Math, 'random').mockReturnValue(value)
        const wait = backoff.next()
        const bound = Math.min(20_000, Math.max(500, base) * 2 ** attempt)
        expect(wait).toBe(Math.max(500, value * bound))
        expect(wait).toBeLessThanOrEqual(20_000)
      })
    }),
  )
})

test('they are spread over all of that', () => {
  const backoff = createBackoff()
  for (let i = 0; i < 10; i++) backoff.next()
  const waits = Array.from({ length: 2000 }, () => backoff.next())
  const quarters = [0, 1, 2, 3].map((n) => waits.filter((wait) => wait >= n * 5000 && wait < (n + 1) * 5000).length)
  // 500 each by chance, with a deviation of 20.
  for (const n of quarters) expect(Math.abs(n - 500)).toBeLessThan(200)
})

test('never less than the server asked for', () => {
  const backoff = createBackoff()
  for (let i = 0; i < 100; i++) expect(backoff.next(60_000)).toBe(60_000)
})
