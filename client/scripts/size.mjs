// Prints what the built package weighs in an application, gzipped, and fails where that is more than we promise.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'

const dist = new URL('../dist/', import.meta.url).pathname
const outdir = mkdtempSync(join(tmpdir(), 'presently-size-'))

/** What an application that contains `code` loads at once, and what it loads later. */
async function weigh(code, options = {}) {
  const { metafile, outputFiles } = await build({
    stdin: { contents: code, resolveDir: dist },
    bundle: true,
    splitting: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    outdir,
    metafile: true,
    write: false,
    ...options,
  })
  const weight = (name) => gzipSync(outputFiles.find((file) => file.path.endsWith(name)).contents, { level: 9 }).length
  const outputs = Object.entries(metafile.outputs).map(([path, output]) => ({ path, output, name: path.slice(path.lastIndexOf('/')) }))
  const first = new Set()
  const add = ({ path, output }) => {
    if (first.has(path)) return
    first.add(path)
    for (const { path: other, kind } of output.imports) if (kind === 'import-statement') outputs.filter((o) => o.path === other).forEach(add)
  }
  outputs.filter(({ output }) => output.entryPoint === '<stdin>').forEach(add)
  const sum = (some) => some.reduce((total, { name }) => total + weight(name), 0)
  return [sum(outputs.filter(({ path }) => first.has(path))), sum(outputs.filter(({ path }) => !first.has(path)))]
}

const KiB = 1024
const client = "export { PresenceClient } from './client.js'"
const [core, live] = await weigh(client)
const [whole] = await weigh("export * from './index.js'", { splitting: false })
const [formats] = await weigh("export { formatLastSeen } from './index.js'", { splitting: false })
const [parser] = await weigh("export { EventStreamParser } from './index.js'", { splitting: false })
const [react] = await weigh("export * from './react/index.js'", { external: ['react', 'react/jsx-runtime'] })
const [vue] = await weigh("export * from './vue/index.js'", { external: ['vue'] })
rmSync(outdir, { recursive: true })

const rows = [
  ['core: PresenceClient, its state and requests', core, 6 * KiB],
  ['live: stream, heartbeats, tabs; loaded by connect()', live, 7.5 * KiB],
  ['all of presently-client in one file', whole, 12.75 * KiB],
  ['presently-client/react, all of it', react, 4 * KiB],
  ['presently-client/vue, all of it', vue, 4 * KiB],
  ['tree shaking: formatLastSeen alone', formats, KiB],
  ['tree shaking: EventStreamParser alone', parser, KiB],
]
let fat = 0
for (const [what, bytes, limit] of rows) {
  const ok = bytes <= limit
  if (!ok) fat++
  console.log(`${ok ? ' ' : '!'} ${String(bytes).padStart(6)} of ${String(limit).padStart(6)} bytes gzipped  ${what}`)
}
process.exit(fat && 1)
