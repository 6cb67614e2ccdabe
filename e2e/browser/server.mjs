// The real server, built once from this tree, on a port of its own.
import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { createServer as createSocket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const root = new URL('../..', import.meta.url).pathname
export const work = mkdtempSync(join(tmpdir(), 'presently-browser-'))
export const SECRET = 'of thirty-two bytes or a few more, for tests'
const binary = join(work, 'presently')
const processes = new Set()

/** How long to wait, in ms, for what comes at once on a machine that has nothing else to do. */
export const PATIENCE = 40_000

// They would outlive us, as they are not of our group.
process.on('exit', () => {
  for (const child of processes) end(child)
})
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1))

/** Builds the program. */
export function build() {
  execFileSync('go', ['build', '-o', binary, '.'], { cwd: root, stdio: ['ignore', 'inherit', 'inherit'], env: { ...process.env, CGO_ENABLED: '0' } })
}

/** Ends all that was started, and removes what was built. */
export async function cleanUp() {
  await Promise.all([...processes].map(kill))
  rmSync(work, { recursive: true, force: true })
}

export function freePort() {
  return new Promise((resolve) => {
    const socket = createSocket().listen(0, '127.0.0.1', () => {
      const { port } = socket.address()
      socket.close(() => resolve(port))
    })
  })
}

/** Runs a program until the end of all, as the first of a group of its own. */
export function run(command, args, env = {}) {
  const child = spawn(command, args, { cwd: work, env: { PATH: process.env.PATH, HOME: work, ...env }, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
  child.text = ''
  for (const out of [child.stdout, child.stderr]) out.on('data', (data) => (child.text += data))
  child.ended = new Promise((resolve) => child.on('exit', resolve))
  processes.add(child)
  child.ended.then(() => processes.delete(child))
  return child
}

// With whatever it has started.
function end({ pid }) {
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // It has ended by itself.
  }
}

async function kill(child) {
  end(child)
  await child.ended
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

/** Asks until `ask` says something, but not for ever. */
export async function until(what, ask, patience = PATIENCE) {
  const end = Date.now() + patience
  for (;;) {
    const answer = await ask()
    if (answer) return answer
    if (Date.now() > end) throw new Error(`in ${patience / 1000} s it has not come that ${what}`)
    await pause(50)
  }
}

/** Starts a server, and waits until it serves. `settings` are without PRESENTLY_. */
export async function startServer(settings = {}, port) {
  port ??= await freePort()
  const env = Object.fromEntries(Object.entries({ LISTEN: `127.0.0.1:${port}`, GRACE: '1s', RATE_LIMIT: 'off', DRAIN: '0s', ...settings }).map(([name, value]) => ['PRESENTLY_' + name, value]))
  const child = run(binary, [], env)
  const url = `http://127.0.0.1:${port}`
  await until('the server serves:\n' + child.text, () => {
    if (child.exitCode !== null) throw new Error('the server has ended:\n' + child.text)
    return fetch(url + '/healthz').then((answer) => answer.ok, () => false)
  })
  return {
    url,
    port,
    /** Ends it as an operator would. */
    async stop() {
      child.kill('SIGTERM')
      await child.ended
    },
    /** Ends it as a power cut would. */
    crash: () => kill(child),
    get log() {
      return child.text
    },
  }
}

/** A Redis of its own. */
export async function startRedis() {
  const port = await freePort()
  const child = run('redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', work])
  await until('Redis is ready', () => child.text.includes('Ready to accept connections'))
  return `redis://127.0.0.1:${port}`
}

/** A token of a server with SECRET. */
export function token(user, name) {
  return execFileSync(binary, ['token', '--sub', user, '--name', name], { env: { PRESENTLY_JWT_SECRET: SECRET }, encoding: 'utf8' }).trim()
}

/** What stands where the server was: everything is 503 for a while. */
export async function startBroken(port) {
  let asked = 0
  const server = createServer((_, answer) => {
    asked++
    answer.writeHead(503, { 'Retry-After': '1', Connection: 'close' }).end()
  })
  await new Promise((resolve, reject) => server.on('error', reject).listen(port, '127.0.0.1', resolve))
  return {
    get asked() {
      return asked
    },
    stop: () => new Promise((resolve) => (server.closeAllConnections(), server.close(resolve))),
  }
}
