/** What the README and the page for those who come from elsewhere show is there. */
import { readFileSync } from 'node:fs'
import { transform } from 'esbuild'
import { describe, expect, test } from 'vitest'
import * as core from '../src/index.js'

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
const pages = readme + readFileSync(new URL('../../docs/migrating.md', import.meta.url), 'utf8')
const blocks = [...pages.matchAll(/```(tsx?|vue)\n([^]*?)```/g)].map(([, language, code]) => ({
  language,
  code: language === 'vue' ? /<script[^>]*>([^]*?)<\/script>/.exec(code!)![1]! : code!,
}))
const modules: Record<string, () => Promise<Record<string, unknown>>> = {
  'presently-client': async () => core,
  'presently-client/react': () => import('../src/react/index.js'),
  'presently-client/vue': () => import('../src/vue/index.js'),
}

describe('the code in the README and in docs/', () => {
  test.each(blocks.map(({ language, code }) => [code.trim().split('\n')[0], language, code]))('%s', async (_, language, code) => {
    await transform(code!, { loader: language === 'tsx' ? 'tsx' : 'ts', jsx: 'automatic' })
    for (const [, names, from] of code!.matchAll(/import \{([^}]*)\} from '(presently-client[^']*)'/g)) {
      const exported = await modules[from!]!()
      for (const name of names!.split(',').map((name) => name.trim())) expect(exported, name).toHaveProperty(name)
    }
    for (const [, method] of code!.matchAll(/\bclient\.(\w+)\(/g)) expect(core.PresenceClient.prototype, method).toHaveProperty(method!)
  })

  test('names no method that is not there', () => {
    const table = readme.slice(readme.indexOf('## What it can do'), readme.indexOf('### The connection'))
    const names = [...table.matchAll(/`(\w+)\(/g)].map(([, name]) => name!)
    expect(names.length).toBeGreaterThan(15)
    for (const name of names) if (!name.startsWith('format')) expect(core.PresenceClient.prototype, name).toHaveProperty(name)
  })
})
