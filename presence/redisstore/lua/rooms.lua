-- rooms: how scripts that move users bring the index of rooms in line: see index.go.

local GONE_KEPT = 2700000 -- presence.GoneKept in ms

-- How the index has the user in the rooms that he is in: as presence.Record.SeenBy.
local function seen_by(settings)
  local set = redis.call('HMGET', settings, 'hide:other', 'hide:contact', 'apart', 'sure')
  if closed > (tonumber(set[4]) or 0) then return false, false end
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

-- Does one command with any number of arguments, so many at a time as Lua can pass on.
local function in_parts(command, key, args)
  for from = 1, #args, 1000 do
    redis.call(command, key, unpack(args, from, math.min(from + 999, #args)))
  end
end

-- Brings the index of rooms in line with where the user is, by the entries that come and those that go. back: he was there, and had been lost.
local function reindex(user, version, come, go, back)
  local args = {}
  for i = 1, #come do
    local n, room = #args, string.match(come[i], '^u([^\n]+)')
    args[n + 1], args[n + 2] = '0', come[i]
    if room then args[n + 3], args[n + 4] = '0', 'r' .. room end
    if room and touch and not redis.call('ZSCORE', ROOMS, 'r' .. room) then touch(room, version, back) end
  end
  in_parts('ZADD', ROOMS, args)
  in_parts('ZREM', ROOMS, go)
  local noted = {}
  for i = 1, #go do
    local kind, room = string.match(go[i], '^([ua])([^\n]+)')
    if kind and not noted[room] then note_gone(room, user, version) end
    if kind then noted[room] = true end
    if kind == 'u' and redis.call('ZLEXCOUNT', ROOMS, '[u' .. room .. '\n', '(u' .. room .. '\v') == 0 then
      redis.call('ZREM', ROOMS, 'r' .. room)
      if touch then touch(room, version, back) end
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
