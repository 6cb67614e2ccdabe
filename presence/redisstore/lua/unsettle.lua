-- unsettle: an activity of a session, or where it is, is no more what its beats say: the next of them is to miss, and say it anew.
local function unsettle(u, user, id)
  local packed = redis.call('HGET', u, 's:' .. id)
  local session = packed and split(packed)
  if not session or session[LEFT_AT] ~= '' then return end
  local before = member(session, id, user)
  session[SAYS] = '...........' -- is no fingerprint
  local after = member(session, id, user)
  if before == after then return end
  local score, number = redis.call('ZSCORE', BEATS, before), redis.call('ZSCORE', BEATS, '#' .. before)
  redis.call('ZREM', BEATS, before, '#' .. before)
  if score then redis.call('ZADD', BEATS, score, after) end
  if number then redis.call('ZADD', BEATS, number, '#' .. after) end
  redis.call('HSET', u, 's:' .. id, pack(session))
end
