-- sweep: end the sessions whose deadline has passed. Any number of instances may sweep: whoever claims a session also tells its end.
-- A partition whose last sweep is too long ago, or in the future, was away, or is not the one that it was: it begins a new epoch and
-- is held, so that its silence counts against nobody.
--   KEYS  meta, beats, left, rooms
--   ARGV  lane, limit of the time between two sweeps µs, length of a hold ms, sessions to claim at most, epoch and version
--         that were heard of last
--   returns  {µs; number of sessions claimed; by how many ms the first of them was late}

local limit, hold, most = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local past, heard = tonumber(ARGV[5]), tonumber(ARGV[6])
local MISSING = 600000 -- 10 min in ms
-- How long leaves wait in ms where an epoch begins on data that may be old: who has left in them may have come back since, which instances that
-- remember it are about to say. An end that was told first would count as news of all his sessions.
local REMEMBERED = 3000

-- Another process, or the same one started again, has another past.
local info = redis.pcall('INFO', 'server') -- may be forbidden, which costs us this sign
local process = type(info) == 'string' and string.match(info, 'run_id:(%w+)') or ''

local meta = redis.call('HMGET', META, 'tick', 'held', 'process', 'parting')
local parting = tonumber(meta[4]) or 0
local tick, held = tonumber(meta[1]), tonumber(meta[2]) or 0
redis.call('HSET', META, 'tick', int(US), 'process', process)
-- On an empty Redis a beacon or a change may come before the first sweep: then the epoch is new already, and only its hold is not known.
local begun = epoch and epoch >= past and not tick and held == UNSWEPT and math.abs(US - epoch) <= limit
if begun then
  held = MS + hold
  redis.call('HSET', META, 'held', int(held))
  publish_beacon()
elseif not epoch or epoch < past or not tick or math.abs(US - tick) > limit or meta[3] ~= process then
  held = MS + hold
  if epoch then
    parting = MS + REMEMBERED
    redis.call('HSET', META, 'parting', int(parting))
  end
  begin_epoch(held, past, heard)
  publish_beacon()
end
for i = 1, 4 do keep(KEYS[i], KEPT) end -- each time: a key that has come since the last one has no end yet

local function claim(key, entry, grain)
  local says, id, user = string.sub(entry, 1, 11), string.match(entry, '^([^:]*):(.*)$', 12)
  local u, settings = PREFIX .. 'u:' .. user, PREFIX .. 's:' .. user
  local packed = redis.call('HGET', u, 's:' .. id)
  if not packed then
    -- His facts were lost; or his slot is moving to another node, and they are not where this is. So look again in a while.
    redis.call('ZADD', key, 'XX', int((MS + MISSING) * grain), entry)
    return
  end
  local session = split(packed)
  if session[SAYS] ~= says or (session[LEFT_AT] ~= '') ~= (key == LEFT) then
    redis.call('ZREM', key, entry, '#' .. entry) -- of a session that was lost, and has come back since
    return
  end
  local beat, input = last_heard(session, id, user)
  if key == LEFT then
    end_session(u, settings, user, id, session, 'leave', tonumber(session[LEFT_AT]), input)
  else
    end_session(u, settings, user, id, session, 'lapse', beat, input)
  end
end

-- Deadlines are whole ms, rounded down, so only those before this ms have surely passed. Both kinds end in the order of their deadlines.
local function due(key, from, grain)
  return redis.call('ZRANGEBYSCORE', key, from, '(' .. int(MS * grain), 'WITHSCORES', 'LIMIT', 0, most)
end
local gone, silent = {}, {}
if parting <= MS or parting > MS + REMEMBERED then gone = due(LEFT, '-inf', 1) end
if held <= MS then silent = due(BEATS, '(0', GRAIN) end
local late = math.max(gone[2] and MS - tonumber(gone[2]) or 0, silent[2] and MS - math.floor(tonumber(silent[2]) / GRAIN) or 0)
local i, j, claimed = 1, 1, 0
while claimed < most and (gone[i] or silent[j]) do
  if gone[i] and not (silent[j] and tonumber(silent[j + 1]) < tonumber(gone[i + 1]) * GRAIN) then
    claim(LEFT, gone[i], 1)
    i = i + 2
  else
    claim(BEATS, silent[j], GRAIN)
    j = j + 2
  end
  claimed = claimed + 1
end
return {int(US), claimed, int(late)}
