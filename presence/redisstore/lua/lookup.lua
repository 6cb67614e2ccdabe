-- lookup: read the records of users of one partition, all as of one moment.
--   KEYS  meta, beats, left, rooms, and for each user his facts and his settings
--   ARGV  lane, and the settings to read; all where none is named
--   returns  {µs; epoch; seq; version; closed; facts, settings of each user}

local out = {int(US), int(epoch or 0), int(seq), int(ver), int(closed)}
for i = 5, #KEYS, 2 do
  out[i + 1] = redis.call('HGETALL', KEYS[i])
  if #ARGV == 1 then
    out[i + 2] = redis.call('HGETALL', KEYS[i + 1])
  else
    out[i + 2] = redis.call('HMGET', KEYS[i + 1], unpack(ARGV, 2))
  end
end
return out
