-- end: end a session at once.
--   KEYS  meta, beats, left, rooms, the user's facts, his settings
--   ARGV  lane, user, session
--   returns  {ended, or none; µs; epoch; seq; version}

local u, settings = KEYS[5], KEYS[6]
local user, id = ARGV[2], ARGV[3]

local packed = redis.call('HGET', u, 's:' .. id)
if not packed then return answer('none') end
local session = split(packed)
local _, input = last_heard(session, id, user)
end_session(u, settings, user, id, session, 'end', MS, input)
return answer('ended')
