-- prelude: what every script begins with, after clock.lua.
--   KEYS[1..4]  meta, beats, left and rooms of one partition; the user's keys follow where a script is about one user
--   ARGV[1]     the channel of the partition's lane
-- All keys of a partition share a hash tag, so that keys may be derived: by sweep those of the users that it finds in beats, by all scripts those
-- of single rooms, which do not last.
--
-- Numbers leave Lua through int(): tostring() would round them to 14 digits.

local META, BEATS, LEFT, ROOMS, LANE = KEYS[1], KEYS[2], KEYS[3], KEYS[4], ARGV[1]
local PREFIX = string.sub(META, 1, -5)
local MS = math.floor(US / 1000)
local KEPT = 2592000000 -- 30 days in ms: how long facts outlive the last write
local UNSWEPT = 4102444800000 -- hold of an epoch that no sweep has seen yet; the sweep sets the true one

-- A score in beats is the deadline in ms, and in its low bits how long before the beat the newest input was. 2^53 holds this until 2039.
local GRAIN, IDLE_MS = 4096, 250
-- The highest number of a session stands beside it, in a member of its own ('#' and the session's), as a negative score.
local SEQ_BASE = 9007199254740992

-- The parts of a session's field, in order. Readers ignore further parts, and writers keep them.
local STATE, IDLE, DEVICE, VERSION, HIDDEN, TTL, STARTED, INPUT = 1, 2, 3, 4, 5, 6, 7, 8
local SEQ, INSTANCE, SAYS, PROFILE, LEFT_AT, LAST_BEAT, LAST_INPUT, RETURNS = 9, 10, 11, 12, 13, 14, 15, 16

local function int(n) return string.format('%.0f', n) end

local function split(packed)
  local parts, n, from = {}, 0, 1
  while true do
    local at = string.find(packed, '|', from, true)
    n = n + 1
    if not at then
      parts[n] = string.sub(packed, from)
      return parts
    end
    parts[n] = string.sub(packed, from, at - 1)
    from = at + 1
  end
end

local function pack(parts) return table.concat(parts, '|') end

-- closed is when data were lost, where that hides whoever has written no setting since: presence/closing.go. 0: never.
local epoch, seq, ver, closed
do
  local meta = redis.call('HMGET', META, 'epoch', 'seq', 'ver', 'closed')
  epoch, seq, ver = tonumber(meta[1]), tonumber(meta[2]) or 0, tonumber(meta[3]) or 0
  closed = CLOSES and tonumber(meta[4]) or 0
end

-- The version of a change that is being made: it grows even where the clock does not.
local function next_version()
  ver = math.max(ver + 1, US)
  return int(ver)
end

-- Where webhooks are configured, outbox.lua says how changes are noted for them, and rooms touched. Else nothing is.
local note, touch

-- The store has lost data or time: numbers begin anew, and no silence counts until held (ms). Where the clock was lost too, past is the epoch that
-- was heard of last, and heard the greatest version: both only grow.
local function begin_epoch(held, past, heard)
  local lost = not epoch or epoch < (past or 0)
  epoch, seq, ver = math.max((epoch or 0) + 1, US, (past or 0) + 1), 0, math.max(ver, heard or 0)
  redis.call('HSET', META, 'epoch', int(epoch), 'seq', '0', 'ver', int(ver), 'held', int(held))
  if CLOSES and lost then
    ver = math.max(ver + 1, US)
    closed = ver
    redis.call('HSET', META, 'ver', int(ver), 'closed', int(closed))
    if touch then
      local rooms = redis.call('ZRANGEBYLEX', ROOMS, '[r', '(s')
      for i = 1, #rooms do touch(string.sub(rooms[i], 2), int(ver)) end
    end
    redis.call('DEL', ROOMS) -- in which nobody is to be seen any more
  end
end

-- Gives a change its number, and tells it: what is the last of its lines.
local function announce(kind, version, what)
  if not epoch then begin_epoch(UNSWEPT) end
  seq = seq + 1
  redis.call('HSET', META, 'seq', int(seq), 'ver', int(ver))
  redis.call('PUBLISH', LANE, table.concat({'1', kind, int(epoch), int(seq), version, what}, '\n'))
end

-- Announces a change together with making it. keys are those of the user's that it has written: each tells in v the version of its last
-- change, by which amend knows that nothing has come between.
local function publish(keys, version, cause, user, facts)
  for i = 1, #keys do redis.call('HSET', keys[i], 'v', version) end
  announce('c', version, table.concat({cause, user, table.concat(facts, '\n')}, '\n'))
  if note then note(version, cause, user, facts) end
end

-- Tells how far the lane is and what time it is there. All later changes have a greater version than the one that it tells.
local function publish_beacon()
  ver = math.max(ver, US - 1)
  local held = tonumber(redis.call('HGET', META, 'held')) or 0
  if held <= MS then held = 0 end
  redis.call('HSET', META, 'beacon', int(US), 'ver', int(ver))
  redis.call('PUBLISH', LANE, table.concat({'1', 'b', int(epoch), int(seq), int(ver), int(held), int(US)}, '\n'))
end

-- What a script returns, after what it did: see answer.go. The record is whole, or without his relations, which may be many.
local function answer_whole(what, u, settings)
  return {what, int(US), int(epoch or 0), int(seq), int(ver), int(closed), redis.call('HGETALL', u), redis.call('HGETALL', settings)}
end

local function answer(what, u, settings)
  if not settings then return {what, int(US), int(epoch or 0), int(seq), int(ver), int(closed)} end -- not even that is wanted
  local general = redis.call('HMGET', settings, 'invisible', 'privacy', 'hide:other', 'hide:contact', 'related', 'v', 'sure')
  return {what, int(US), int(epoch or 0), int(seq), int(ver), int(closed), redis.call('HGETALL', u), general}
end

-- The user's key lives for ms from now at least, to the hour: most writes need not prolong it.
local function keep(u, ms)
  if redis.call('PTTL', u) < ms - 3600000 then redis.call('PEXPIRE', u, int(ms)) end
end

local function member(session, id, user) return session[SAYS] .. id .. ':' .. user end

local function away(session) return session[IDLE] == '1' or session[STATE] == 'away' end

-- When a session was last heard of, and had its newest input, both in ms.
local function last_heard(session, id, user)
  if session[LEFT_AT] ~= '' then
    return tonumber(session[LAST_BEAT]), tonumber(session[LAST_INPUT])
  end
  local score = tonumber(redis.call('ZSCORE', BEATS, member(session, id, user)))
  local beat = MS
  local input = beat
  if score then
    beat = math.floor(score / GRAIN) - tonumber(session[TTL])
    input = beat - score % GRAIN * IDLE_MS
  end
  if away(session) then input = tonumber(session[INPUT]) end
  return beat, input
end

-- The highest number seen of a session, or nil.
local function highest_seq(session, id, user)
  local score = tonumber(redis.call('ZSCORE', BEATS, '#' .. member(session, id, user)))
  if score then return score + SEQ_BASE end
  return tonumber(session[SEQ])
end
