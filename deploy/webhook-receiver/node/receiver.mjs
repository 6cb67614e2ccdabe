// A backend that Presently tells what happens: an example to copy from. It needs Node alone, 18 or newer.
//
//   WEBHOOK_SECRET=… node receiver.mjs 127.0.0.1:9000
import { createHmac, timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:http';

const tolerance = 5 * 60; // seconds between the sender's clock and ours
const mostBody = 16 * 1024;
const remembered = 10_000; // ids, against doubles

/** Whether the body comes from whoever shares the key with us, and is not an old one that somebody sends again. */
export function verify(key, headers, body, now = Date.now() / 1000) {
  const id = headers['webhook-id'], stamp = headers['webhook-timestamp'], signatures = headers['webhook-signature'];
  if (!id || !signatures || !/^\d+$/.test(stamp ?? '') || Math.abs(now - Number(stamp)) > tolerance) return false;
  const want = createHmac('sha256', key).update(`${id}.${stamp}.`).update(body).digest();
  return signatures.split(' ').some((part) => { // several while a secret is replaced
    if (!part.startsWith('v1,')) return false;
    const got = Buffer.from(part.slice(3), 'base64');
    return got.length === want.length && timingSafeEqual(got, want);
  });
}

const seen = new Set(); // ids; keep them where you keep what you make of the events
const revs = new Map(); // of the newest, by user or room

function take(id, { type, data }) {
  const who = data.room !== undefined ? `room ${data.room}` : `user ${data.userId}`;
  if (seen.has(id) || data.rev <= (revs.get(who) ?? 0)) return; // a double, or overtaken
  seen.add(id);
  revs.set(who, data.rev);
  if (seen.size > remembered) seen.delete(seen.values().next().value);
  console.log(type, who, data.status ?? ''); // here your own work begins
}

const key = Buffer.from((process.env.WEBHOOK_SECRET ?? '').replace(/^whsec_/, ''), 'base64');
const [host, port] = (process.argv[2] ?? '').split(':');
if (key.length === 0 || !port) {
  console.error('WEBHOOK_SECRET=… node receiver.mjs 127.0.0.1:9000');
  process.exit(2);
}

const server = createServer((request, response) => {
  const answer = (status) => response.writeHead(status).end();
  const chunks = [];
  let size = 0;
  request.on('data', (chunk) => {
    size += chunk.length;
    if (size > mostBody) request.destroy();
    else chunks.push(chunk);
  });
  request.on('end', () => {
    const body = Buffer.concat(chunks); // the bytes as they came: what is parsed and written again has another signature
    if (request.method !== 'POST') return answer(400);
    if (!verify(key, request.headers, body)) return answer(401);
    try {
      take(request.headers['webhook-id'], JSON.parse(body));
    } catch {
      return answer(400);
    }
    answer(204); // only once it is safe: what is answered so is not sent again
  });
});
server.listen(Number(port), host, () => console.log('listening', `${host}:${server.address().port}`));
