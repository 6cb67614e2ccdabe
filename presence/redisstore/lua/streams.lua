-- streams: note how many streams an instance has open, and tell how many all have that have said so of late.
--   KEYS  meta, beats, left, rooms, streams
--   ARGV  lane, instance, its streams, how long what it says counts ms
--   returns  the number of all

local key, counts = KEYS[5], tonumber(ARGV[4])
redis.call('HSET', key, ARGV[2], ARGV[3] .. '|' .. int(MS))
redis.call('PEXPIRE', key, int(counts))
local all, said = 0, redis.call('HGETALL', key)
for i = 1, #said, 2 do
  local parts = split(said[i + 1])
  if math.abs(MS - tonumber(parts[2])) < counts then
    all = all + tonumber(parts[1])
  else
    redis.call('HDEL', key, said[i])
  end
end
return int(all)
