-- instances: note what an instance says of itself, and tell what all say that have said something of late.
--   KEYS  meta, beats, left, rooms, streams
--   ARGV  lane, instance (empty: only ask), its streams, how long what it says counts ms, what else it says
--   returns  of each: its name, and "streams|when, ms|what else"
-- Versions that know streams alone share this hash: they read the first two parts, and write no others.

local key, counts = KEYS[5], tonumber(ARGV[4])
if ARGV[2] ~= '' then
  redis.call('HSET', key, ARGV[2], ARGV[3] .. '|' .. int(MS) .. '|' .. ARGV[5])
  redis.call('PEXPIRE', key, int(counts))
end
local all, said = {}, redis.call('HGETALL', key)
for i = 1, #said, 2 do
  local parts = split(said[i + 1])
  if math.abs(MS - tonumber(parts[2])) < counts then
    all[#all + 1], all[#all + 2] = said[i], said[i + 1]
  elseif ARGV[2] ~= '' then
    redis.call('HDEL', key, said[i])
  end
end
return all
