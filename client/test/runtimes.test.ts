/** Importing it does nothing, wherever that is: Node, Deno, Bun, the edge, a worker, a page's build. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { expect, test } from 'vitest'

const root = fileURLToPath(new URL('..', import.meta.url))

test('it can be imported, and a client made and asked, where there is no page and next to nothing else', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'presently-runtimes-'))
  try {
    const entry = "export * from './src/index.js'; export * as react from './src/react/index.js'; export * as vue from './src/vue/index.js'"
    await build({ stdin: { contents: entry, resolveDir: root }, bundle: true, splitting: true, format: 'esm', platform: 'neutral', mainFields: ['module', 'main'], define: { 'process.env.NODE_ENV': '"production"' }, outdir: dir, outExtension: { '.js': '.mjs' }, logLevel: 'error' })
    const script = `
      for (const name of ['window', 'document', 'navigator', 'location', 'fetch', 'Request', 'Response', 'Headers', 'Worker', 'BroadcastChannel', 'EventSource', 'setTimeout', 'setInterval', 'queueMicrotask', 'crypto', 'console', 'performance', 'TextDecoder', 'AbortController']) {
        // Whoever reads it without asking whether it is there is found out.
        delete globalThis[name]
      }
      const all = await import(${JSON.stringify('file://' + dir + '/stdin.mjs')})
      const client = new all.PresenceClient({ url: 'https://presence.test', token: 'x' })
      client.getPresence('ben'); client.getRoom('lobby'); client.getTyping('lobby'); client.getAllPresence(); client.close()
      process.stdout.write([client.status, typeof all.react.usePresence, typeof all.vue.usePresence, all.formatStatus('dnd')].join())`
    const said = execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })
    expect(said).toBe('idle,function,function,Do not disturb')
  } finally {
    rmSync(dir, { recursive: true })
  }
})

test('its sources write to no console, listen to no unload, and make no HTML', () => {
  const files = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' }).filter((name) => /\.tsx?$/.test(name) && !name.endsWith('.gen.ts'))
  expect(files.length).toBeGreaterThan(20)
  for (const name of files) {
    const code = readFileSync(join(root, 'src', name), 'utf8').replace(/\/\*[^]*?\*\/|\/\/.*/g, '')
    expect(code, name).not.toMatch(/\bconsole\b|['"](before)?unload['"]|innerHTML|dangerouslySet|insertAdjacent|\beval\b|new Function/)
  }
})

test('the package has no dependencies and no side effects', () => {
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  expect([manifest.type, manifest.sideEffects, manifest.dependencies]).toEqual(['module', false, undefined])
  expect(manifest.peerDependencies).toEqual({ react: '>=18', vue: '>=3.4' })
  expect(manifest.engines).toEqual({ node: '>=20' })
})
