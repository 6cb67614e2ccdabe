-- amend: set what was made of the user's record as it was read, unless it has changed since.
--   KEYS  meta, beats, left, the user's facts, his settings
--   ARGV  lane, user, cause, version of the last change to his facts as read, the same of his settings, how long the facts are to be kept ms;
--         for each fact: facts, settings or void (a setting that is no more), field, value with %v where the version of this change goes
--   returns  {amended; µs; epoch; seq; version; facts; settings}, or {conflict}

local u, settings = KEYS[4], KEYS[5]
local user, cause, kept = ARGV[2], ARGV[3], tonumber(ARGV[6])

if (redis.call('HGET', u, 'v') or '0') ~= ARGV[4] or (redis.call('HGET', settings, 'v') or '0') ~= ARGV[5] then
  return {'conflict'}
end

-- A session's activity is no more what its beats say: the next of them is to miss, and say it anew.
local function unsettle(id)
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

local version = next_version()
local lines, written, keys = {}, {}, {}
local function write(key)
  if not written[key] then
    written[key] = true
    keys[#keys + 1] = key
  end
  return key
end

for i = 7, #ARGV, 3 do
  local where, field, value = ARGV[i], ARGV[i + 1], string.gsub(ARGV[i + 2], '%%v', version)
  if where == 'facts' then
    redis.call('HSET', write(u), field, value)
    if string.sub(field, 1, 2) == 'a:' then unsettle(string.sub(field, 3)) end
  elseif where == 'settings' then
    redis.call('HSET', write(settings), field, value)
  else
    redis.call('HDEL', write(settings), field)
  end
  lines[#lines + 1] = field .. '=' .. value
end
publish(keys, version, cause, user, lines)
if written[u] then keep(u, kept) end
return answer_whole('amended', u, settings)
