// Two servers that people would write instead of Presently, for bench/. Both speak as much of its API as the cases need.
//
//   node server.cjs node      presence over Server-Sent Events as a first version has it: a key with an expiry for each user, one channel
//                             that all instances listen to, a response for each stream
//   node server.cjs socketio  the same over Socket.IO with its Redis adapter: a room for each user, watchers join the rooms
//
// Neither checks tokens, conflates, or knows privacy.
const http = require('node:http')
const { createClient } = require('redis')

const [host, port] = process.env.BENCH_LISTEN.split(':')
const redis = createClient({ url: process.env.BENCH_REDIS })
const sub = redis.duplicate()

const presence = (user, status) => ({ userId: user, status, notify: true, rev: Date.now() * 1000 })
const snapshot = users => ({ part: 1, parts: 1, scope: 'all', presences: users.map(u => presence(u, 'online')), rooms: {}, typing: {} })
const usersOf = url => new URL(url, 'http://bench').searchParams.getAll('user')

function body(req) {
  return new Promise((resolve, reject) => {
    let text = ''
    req.on('data', d => { text += d })
    req.on('end', () => resolve(JSON.parse(text)))
    req.on('error', reject)
  })
}

async function serve(watch, tell) {
  await Promise.all([redis.connect(), sub.connect()])
  const server = http.createServer(async (req, res) => {
    try {
      if (req.method === 'GET' && req.url.startsWith('/v1/stream')) return watch(req, res)
      if (req.method === 'POST') {
        const { state } = await body(req)
        const user = req.headers['x-user']
        const was = await redis.set('presence:' + user, state, { EX: 90, GET: true })
        if (was !== state) await tell(user, presence(user, state))
        return res.writeHead(204).end()
      }
      res.end()
    } catch (err) {
      res.writeHead(500).end(String(err))
    }
  })
  return server
}

async function node() {
  const watchers = new Map() // user to the responses that show him
  const server = await serve((req, res) => {
    const users = usersOf(req.url)
    res.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache' })
    res.write(`event: snapshot\ndata: ${JSON.stringify(snapshot(users))}\n\n`)
    for (const u of users) {
      if (!watchers.has(u)) watchers.set(u, new Set())
      watchers.get(u).add(res)
    }
    req.on('close', () => { for (const u of users) watchers.get(u).delete(res) })
  }, (user, p) => redis.publish('presence', JSON.stringify(p)))
  await sub.subscribe('presence', text => {
    const event = `event: presence\ndata: {"presences":[${text}]}\n\n`
    for (const res of watchers.get(JSON.parse(text).userId) ?? []) res.write(event)
  })
  server.listen(Number(port), host, 4096)
}

async function socketio() {
  const { Server } = require('socket.io')
  const { createAdapter } = require('@socket.io/redis-adapter')
  let io
  const server = await serve((req, res) => res.writeHead(404).end(), (user, p) => { io.to('user:' + user).emit('presence', { presences: [p] }) })
  const [out, back] = [redis.duplicate(), redis.duplicate()]
  await Promise.all([out.connect(), back.connect()])
  io = new Server(server, { adapter: createAdapter(out, back), transports: ['websocket'], pingInterval: 300000 })
  io.on('connection', socket => {
    const users = usersOf(socket.request.url)
    for (const u of users) socket.join('user:' + u)
    socket.emit('snapshot', snapshot(users))
  })
  server.listen(Number(port), host, 4096)
}

const kinds = { node, socketio }
kinds[process.argv[2]]().catch(err => { console.error(err); process.exit(1) })
