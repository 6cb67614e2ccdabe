-- revoke: let what a user was given before a moment count no more, unless a later moment stands already.
--   KEYS  meta, beats, left, rooms, revoked
--   ARGV  lane, user, the moment ms (0: now), how long revocations stand ms
--   returns  the moment that stands, ms

local key, user, before = KEYS[5], ARGV[2], tonumber(ARGV[3])
if before == 0 then before = MS end
redis.call('ZREMRANGEBYSCORE', key, '-inf', int(MS - tonumber(ARGV[4])))
if redis.call('ZADD', key, 'GT', 'CH', int(before), user) == 1 then
  announce('r', next_version(), user .. '\n' .. int(before))
end
return int(tonumber(redis.call('ZSCORE', key, user)))
