-- subscription: store a subscription in place of the one that was read, unless another is stored by now.
--   KEYS  meta, beats, left, rooms, the subscription
--   ARGV  lane, id, version of the one that was read (0: none), until when it is kept ms, fields and values
--   returns  {stored; version}, or {conflict}

local key, id = KEYS[5], ARGV[2]
if (redis.call('HGET', key, 'version') or '0') ~= ARGV[3] then return {'conflict'} end
local version = next_version()
redis.call('DEL', key)
redis.call('HSET', key, 'version', version, unpack(ARGV, 5))
redis.call('PEXPIRE', key, int(tonumber(ARGV[4]) - MS))
announce('n', version, id)
return {'stored', version}
