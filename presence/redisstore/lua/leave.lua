-- leave: start the grace of a session. One that has left already, or is not there, stays as it is.
--   KEYS  meta, beats, left, rooms, the user's facts, his settings
--   ARGV  lane, user, session, grace ms (0: it ends at once)
--   returns  {left, ended, or none; µs; epoch; seq; version; of one that has left, its field}

local u, settings = KEYS[5], KEYS[6]
local user, id, grace = ARGV[2], ARGV[3], tonumber(ARGV[4])

local packed = redis.call('HGET', u, 's:' .. id)
local session = packed and split(packed)
if not session then return answer('none') end
if session[LEFT_AT] ~= '' then return answer('left') end

local beat, input = last_heard(session, id, user)
if grace <= 0 then
  end_session(u, settings, user, id, session, 'leave', MS, input)
  return answer('ended')
end

-- Out of beats, so that a late beat misses and asks the script, which knows the number.
local number = highest_seq(session, id, user)
local m = member(session, id, user)
redis.call('ZREM', BEATS, m, '#' .. m)
redis.call('ZADD', LEFT, int(MS + grace), m)
session[SEQ] = number and int(number) or ''
session[LEFT_AT], session[LAST_BEAT], session[LAST_INPUT] = int(MS), int(beat), int(input)
redis.call('HSET', u, 's:' .. id, pack(session))
local out = answer('left')
out[6] = pack(session)
return out
