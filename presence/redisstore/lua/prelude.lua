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
local GONE_KEPT = 2700000 -- presence.GoneKept in ms
local UNSWEPT = 4102444800000 -- hold of an epoch that no sweep has seen yet; the sweep sets the true one

-- A score in beats is the deadline in ms, and in its low bits how long before the beat the newest input was. 2^53 holds this until 2039.
local GRAIN, IDLE_MS = 4096, 250
-- The highest number of a session stands beside it, in a member of its own ('#' and the session's), as a negative score.
local SEQ_BASE = 9007199254740992

-- The parts of a session's field, in order. Readers ignore further parts, and writers keep them.
local STATE, IDLE, DEVICE, VERSION, HIDDEN, TTL, STARTED, INPUT = 1, 2, 3, 4, 5, 6, 7, 8
local SEQ, INSTANCE, SAYS, PROFILE, LEFT_AT, LAST_BEAT, LAST_INPUT = 9, 10, 11, 12, 13, 14, 15

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

local epoch, seq, ver
do
  local meta = redis.call('HMGET', META, 'epoch', 'seq', 'ver')
  epoch, seq, ver = tonumber(meta[1]), tonumber(meta[2]) or 0, tonumber(meta[3]) or 0
end

-- The version of a change that is being made: it grows even where the clock does not.
local function next_version()
  ver = math.max(ver + 1, US)
  return int(ver)
end

-- The store has lost data or time: numbers begin anew, and no silence counts until held (ms).
local function begin_epoch(held)
  epoch, seq = math.max((epoch or 0) + 1, US), 0
  redis.call('HSET', META, 'epoch', int(epoch), 'seq', '0', 'ver', int(ver), 'held', int(held))
end

-- Gives a change its number, and tells it: what is the last of its lines.
local function announce(kind, version, what)
  if not epoch then begin_epoch(UNSWEPT) end
  seq = seq + 1
  redis.call('HSET', META, 'seq', int(seq), 'ver', version)
  redis.call('PUBLISH', LANE, table.concat({'1', kind, int(epoch), int(seq), version, what}, '\n'))
end

-- Announces a change together with making it. keys are those of the user's that it has written: each tells in v the version of its last
-- change, by which amend knows that nothing has come between.
local function publish(keys, version, cause, user, facts)
  for i = 1, #keys do redis.call('HSET', keys[i], 'v', version) end
  announce('c', version, table.concat({cause, user, table.concat(facts, '\n')}, '\n'))
end

-- Tells how far the lane is and what time it is there. All later changes have a greater version than the one that it tells.
local function publish_beacon()
  ver = math.max(ver, US - 1)
  local held = tonumber(redis.call('HGET', META, 'held')) or 0
  if held <= MS then held = 0 end
  redis.call('HSET', META, 'beacon', int(US), 'ver', int(ver))
  redis.call('PUBLISH', LANE, table.concat({'1', 'b', int(epoch), int(seq), int(ver), int(held), int(US)}, '\n'))
end

-- What a script returns that ends with the user's record: see answer.go. The record is whole, or without his relations, which may be many.
local function answer_whole(what, u, settings)
  return {what, int(US), int(epoch or 0), int(seq), int(ver), redis.call('HGETALL', u), redis.call('HGETALL', settings)}
end

local function answer(what, u, settings)
  if not settings then return {what, int(US), int(epoch or 0), int(seq), int(ver)} end -- not even that is wanted
  local general = redis.call('HMGET', settings, 'invisible', 'privacy', 'hide:other', 'hide:contact', 'related')
  return {what, int(US), int(epoch or 0), int(seq), int(ver), redis.call('HGETALL', u), general}
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

-- At most 20 tombstones a user: whoever makes more sessions than that has no late beats of the oldest.
local function bury(u, id, number, fields)
  local graves = {}
  for i = 1, #fields do
    if string.sub(fields[i], 1, 2) == 't:' then graves[#graves + 1] = fields[i] end
  end
  if #graves >= 20 then
    local values, oldest, age = redis.call('HMGET', u, unpack(graves)), nil, nil
    for i = 1, #graves do
      local at = tonumber(split(values[i])[2]) or 0
      if not age or at < age then oldest, age = graves[i], at end
    end
    redis.call('HDEL', u, oldest)
  end
  redis.call('HSET', u, 't:' .. id, int(number) .. '|' .. int(ver))
end

-- How the index has the user in the rooms that he is in: as presence.Record.SeenBy.
local function seen_by(settings)
  local set = redis.call('HMGET', settings, 'hide:other', 'hide:contact', 'apart')
  local other, contact = string.sub(set[1] or '', 1, 1) == '1', string.sub(set[2] or '', 1, 1) == '1'
  return not other, other ~= contact or not other and set[3] == '1'
end

-- What a user's facts say beside one session: the rooms of his others, the session's own, and his marks.
local function besides(u, id)
  local fields, read = redis.call('HKEYS', u), {}
  local elsewhere, here, marks = {}, {}, {}
  for i = 1, #fields do
    local kind = string.sub(fields[i], 1, 2)
    if kind == 'm:' or kind == 'y:' then
      read[#read + 1] = fields[i]
    elseif kind == 's:' and fields[i] ~= 's:' .. id then
      elsewhere[''] = true
    end
  end
  local values = #read > 0 and redis.call('HMGET', u, unpack(read))
  for i = 1, #read do
    local parts = split(values[i])
    if string.sub(read[i], 1, 2) == 'y:' then
      marks[i] = {field = read[i], room = string.match(read[i], '^y:([^|]*)'), session = parts[1], ends = tonumber(parts[3])}
    else
      for j = 2, #parts, 2 do
        if read[i] == 'm:' .. id then here[#here + 1] = parts[j] else elsewhere[parts[j]] = true end
      end
    end
  end
  return elsewhere, here, marks, fields
end

-- The entries of the index that a session has in rooms, those of its user only where he is not elsewhere.
local function entries(user, id, rooms, elsewhere, all, apart)
  local out = {}
  for i = 1, #rooms do
    local place = rooms[i] .. '\n' .. user
    if all then out[#out + 1] = 's' .. place .. '\n' .. id end
    if all and not elsewhere[rooms[i]] then out[#out + 1] = 'u' .. place end
    if apart and not elsewhere[rooms[i]] then out[#out + 1] = 'a' .. place end
  end
  return out
end

-- Remembers for a while that the user has gone out of a room, or out of somebody's sight.
local function note_gone(room, user, version)
  local key = PREFIX .. 'gone:' .. room
  redis.call('ZADD', key, version, user)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', int(US - GONE_KEPT * 1000))
  redis.call('PEXPIRE', key, int(GONE_KEPT))
end

-- Brings the index of rooms (index.go) in line with where the user is, by the entries that come and those that go.
local function reindex(user, version, come, go)
  if #come > 0 then
    local args = {}
    for i = 1, #come do
      local n, room = #args, string.match(come[i], '^u([^\n]+)')
      args[n + 1], args[n + 2] = '0', come[i]
      if room then args[n + 3], args[n + 4] = '0', 'r' .. room end
    end
    redis.call('ZADD', ROOMS, unpack(args))
  end
  if #go == 0 then return end
  redis.call('ZREM', ROOMS, unpack(go))
  local noted = {}
  for i = 1, #go do
    local kind, room = string.match(go[i], '^([ua])([^\n]+)')
    if kind and not noted[room] then note_gone(room, user, version) end
    if kind then noted[room] = true end
    if kind == 'u' and redis.call('ZLEXCOUNT', ROOMS, '[u' .. room .. '\n', '(u' .. room .. '\v') == 0 then
      redis.call('ZREM', ROOMS, 'r' .. room)
    end
  end
end

-- Notes until when (ms) the user may be typing in a room; 0: he is not.
local function note_typing(room, user, ends)
  local key = PREFIX .. 'types:' .. room
  if ends == 0 then
    redis.call('ZREM', key, user)
    return
  end
  redis.call('ZADD', key, int(ends), user)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', int(MS))
  if redis.call('PTTL', key) < ends - MS then redis.call('PEXPIRE', key, int(math.max(ends - MS, 1))) end
end

-- Takes the marks of a session away, and tells where its user may still be typing by others, and until when.
local function unmark(u, id, marks)
  local typing = {}
  for _, mark in pairs(marks) do
    if mark.session == id then
      redis.call('HDEL', u, mark.field)
      typing[mark.room] = 0
    end
  end
  for _, mark in pairs(marks) do
    if mark.session ~= id and typing[mark.room] then typing[mark.room] = math.max(typing[mark.room], mark.ends) end
  end
  return typing
end

-- Takes a session out and announces it, and with it all that ends with it. at is when it was last heard of, for others to see; input its newest
-- input; both ms.
local function end_session(u, settings, user, id, session, cause, at, input)
  local number = highest_seq(session, id, user)
  local m = member(session, id, user)
  redis.call('ZREM', BEATS, m, '#' .. m)
  redis.call('ZREM', LEFT, m)
  local elsewhere, rooms, marks, fields = besides(u, id)
  redis.call('HDEL', u, 's:' .. id, 'a:' .. id, 'm:' .. id)
  local typing = unmark(u, id, marks)
  local version = next_version()
  if number then bury(u, id, number, fields) end
  local all, apart = seen_by(settings)
  rooms[#rooms + 1] = '' -- presence.Everywhere
  reindex(user, version, {}, entries(user, id, rooms, elsewhere, all, apart))
  if all or apart then
    for room, ends in pairs(typing) do note_typing(room, user, ends) end
  end
  local seen = split(redis.call('HGET', u, 'e') or '0|0|0')
  seen[1] = int(math.max(tonumber(seen[1]), at))
  seen[2] = int(math.max(tonumber(seen[2]), input))
  seen[3] = version
  local packed = pack(seen)
  redis.call('HSET', u, 'e', packed)
  keep(u, KEPT)
  publish({u}, version, cause, user, {'t:' .. id .. '=', 'e=' .. packed})
end
