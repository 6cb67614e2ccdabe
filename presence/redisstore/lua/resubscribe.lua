-- resubscribe: take back a subscription that an instance remembers, where it is newer than what is here, or was lost.
--   KEYS  meta, beats, left, rooms, the subscription
--   ARGV  lane, id, its version, until when it is kept ms, fields and values
--   returns  1 if it was taken, else 0

local key, id, version, kept = KEYS[5], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
if kept <= MS or (tonumber(redis.call('HGET', key, 'version')) or 0) >= version then return 0 end
ver = math.max(ver, version)
redis.call('DEL', key)
redis.call('HSET', key, 'version', int(version), unpack(ARGV, 5))
redis.call('PEXPIRE', key, int(kept - MS))
announce('n', int(version), id)
return 1
