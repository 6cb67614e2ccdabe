/** What the README and the page for those who come from elsewhere show is there. */
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { transform } from 'esbuild'
import ts from 'typescript'
import { describe, expect, test } from 'vitest'
import * as core from '../src/index.js'

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
// A bare copy of this package has no docs/ beside it.
const folder = new URL('../../docs/', import.meta.url)
const docs = existsSync(folder) ? ['migrating', 'react-and-vue'].map((name) => readFileSync(new URL(name + '.md', folder), 'utf8')) : []
const pages = [readme, ...docs].join('')
const blocks = [...pages.matchAll(/```(tsx?|vue)\n([^]*?)```/g)].map(([, language, code]) => ({
  language,
  code: language === 'vue' ? /<script[^>]*>([^]*?)<\/script>/.exec(code!)![1]! : code!,
}))
const modules: Record<string, () => Promise<Record<string, unknown>>> = {
  'presently-client': async () => core,
  'presently-client/react': () => import('../src/react/index.js'),
  'presently-client/vue': () => import('../src/vue/index.js'),
}

const root = fileURLToPath(new URL('..', import.meta.url))

/** What the compiler has to say against some of the files, which need not be on disk: the first line of each, and the fault. */
function faultsOf(files: Map<string, string>, all: string[], names: string[], more: ts.CompilerOptions = {}) {
  const options: ts.CompilerOptions = {
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    jsx: ts.JsxEmit.ReactJSX,
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    types: [],
    lib: ['lib.es2022.d.ts', 'lib.dom.d.ts', 'lib.dom.iterable.d.ts', 'lib.dom.asynciterable.d.ts'],
    paths: { 'presently-client': [root + 'src/index.ts'], 'presently-client/*': [root + 'src/*/index.ts'] },
    ...more,
  }
  const host = ts.createCompilerHost(options)
  const { fileExists, readFile, getSourceFile } = host
  host.fileExists = (name) => files.has(name) || fileExists(name)
  host.readFile = (name) => files.get(name) ?? readFile(name)
  host.getSourceFile = (name, version) => (files.has(name) ? ts.createSourceFile(name, files.get(name)!, version) : getSourceFile(name, version))
  const program = ts.createProgram(all, options, host)
  const faults = names.flatMap((name) => ts.getPreEmitDiagnostics(program, program.getSourceFile(name)))
  return faults.map((fault) => `${files.get(fault.file!.fileName)!.trim().split('\n')[0]}: ${ts.flattenDiagnosticMessageText(fault.messageText, '\n')}`)
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

  // As in an application of which the first block is presence.ts. What the blocks leave to the reader is declared.
  test('is accepted by the compiler', () => {
    const files = new Map(blocks.map(({ language, code }, i) => [`${root}test/block-${i}.ts${language === 'tsx' ? 'x' : ''}`, code + '\nexport {}\n']))
    const names = [...files.keys()]
    files.set(root + 'test/presence.ts', blocks.find(({ code }) => code.includes('new PresenceClient'))!.code)
    files.set(
      root + 'test/reader.d.ts',
      "declare module '*.vue' { const component: import('vue').Component; export default component }\n" +
        "declare const add: (...args: unknown[]) => void, remove: typeof add, show: typeof add, draw: typeof add\n",
    )
    const needsClient = names.filter((name) => /\bclient\./.test(files.get(name)!) && !/(const client|import \{ client \})/.test(files.get(name)!))
    for (const name of needsClient) files.set(name, "import { client } from './presence'\n" + files.get(name))
    expect(faultsOf(files, [...names, root + 'test/reader.d.ts'], names)).toEqual([])
  }, 60_000)

  // What people have before they come, as those who made it have typed it. They know best what there is in it (test/elsewhere).
  test.each(docs.slice(0, 1))('is what it is elsewhere', (migrating) => {
    const given: Record<string, string> = {
      Pusher: "import Pusher from 'pusher-js'\ndeclare const pusher: Pusher\n",
      Ably: "import * as Ably from 'ably'\ndeclare const realtime: Ably.Realtime\n",
      'Socket.IO': "import { Server } from 'socket.io'\ndeclare module 'socket.io' { interface Socket { userId: string } }\ndeclare const io: Server\n",
      Centrifugo: "import { Centrifuge } from 'centrifuge'\ndeclare const centrifuge: Centrifuge\n",
    }
    const files = new Map<string, string>()
    for (const [, from, section] of migrating.matchAll(/\n## From ([^\n]+)\n([^]*?)(?=\n## )/g)) {
      for (const [, code] of section!.matchAll(/```js\n([^]*?)```/g)) {
        expect(given, from).toHaveProperty([from!])
        files.set(`${root}test/elsewhere/before-${files.size}.ts`, `// ${from}\n${given[from!]}${code}\nexport {}\n`)
      }
    }
    expect(files.size).toBe(Object.keys(given).length)
    const names = [...files.keys()]
    files.set(root + 'test/elsewhere/reader.d.ts', "declare const add: (...args: unknown[]) => void, remove: typeof add, show: typeof add, draw: typeof add\n")
    // The callbacks of Pusher are typed as any function, so that what they are called with has no type.
    const faults = faultsOf(files, [...names, root + 'test/elsewhere/reader.d.ts'], names, { noImplicitAny: false, types: ['node'] })
    expect(faults).toEqual([])
  }, 60_000)

  test('names no method that is not there', () => {
    const table = readme.slice(readme.indexOf('## What it can do'), readme.indexOf('### The connection'))
    const names = [...table.matchAll(/`(\w+)\(/g)].map(([, name]) => name!)
    expect(names.length).toBeGreaterThan(15)
    for (const name of names) if (!name.startsWith('format')) expect(core.PresenceClient.prototype, name).toHaveProperty(name)
  })
})
