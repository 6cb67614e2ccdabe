-- end: end a session at once.
--   KEYS  meta, beats, left, the user's facts
--   ARGV  lane, user, session

local u = KEYS[4]
local user, id = ARGV[2], ARGV[3]

local packed = redis.call('HGET', u, 's:' .. id)
if not packed then return end
local session = split(packed)
local _, input = last_heard(session, id, user)
end_session(u, user, id, session, 'end', MS, input)
