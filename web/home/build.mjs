// Builds page/demo.js and page/plain.js from src/ and from client/src/, with the tools of client/, and notes in page/sources.txt what of.
// A test of this package holds the committed bundles to that. `make demo` runs it.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'

const root = new URL('../..', import.meta.url).pathname
process.chdir(root)
const tools = createRequire(root + 'client/package.json')
execFileSync(process.execPath, [tools.resolve('typescript/bin/tsc'), '-p', 'web/home/tsconfig.json'], { stdio: 'inherit' })
const { metafile } = await tools('esbuild').build({
  entryPoints: ['web/home/src/demo.ts', 'web/home/src/plain.ts'],
  outdir: 'web/home/page',
  bundle: true,
  minify: true,
  format: 'esm',
  target: 'es2022',
  charset: 'utf8',
  legalComments: 'none',
  metafile: true,
})
const sum = (path) => `${createHash('sha256').update(readFileSync(path)).digest('hex')}  ${path}\n`
const paths = [...Object.keys(metafile.inputs), ...Object.keys(metafile.outputs)].sort()
writeFileSync('web/home/page/sources.txt', paths.map(sum).join(''))
