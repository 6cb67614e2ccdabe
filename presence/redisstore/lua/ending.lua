-- ending: how scripts end a session. After rooms.lua.

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

-- At most 20 tombstones a user: whoever makes more sessions than that has no late beats of the oldest.
local function bury(u, id, grave, fields)
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
  redis.call('HSET', u, 't:' .. id, grave)
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
  if number then bury(u, id, int(number) .. '|' .. version, fields) end
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
