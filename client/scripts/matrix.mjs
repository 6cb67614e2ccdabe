// Runs the tests of the bindings with the first and the newest release of each React and Vue that we promise to work with: npm run matrix.
// Not a part of npm test, for it downloads them; npm test has the newest, and those of test/older.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

process.chdir(new URL('..', import.meta.url).pathname)
const matrix = [
  ['18.0.0', '3.4.0'],
  ['18', '3.4'],
  ['19.0.0', '3.5.0'],
  ['latest', 'latest'],
]
for (const [react, vue] of matrix) {
  const peers = mkdtempSync(join(tmpdir(), 'presently-matrix-'))
  try {
    console.log(`== React ${react}, Vue ${vue}`)
    writeFileSync(join(peers, 'package.json'), JSON.stringify({ private: true, dependencies: { react, 'react-dom': react, vue } }))
    execFileSync('npm', ['install', '--no-audit', '--no-fund', '--silent'], { cwd: peers, stdio: 'inherit' })
    execFileSync('npx', ['vitest', 'run', '--project', 'older'], { env: { ...process.env, PRESENTLY_PEERS: peers }, stdio: 'inherit' })
  } finally {
    rmSync(peers, { recursive: true })
  }
}
