-- lookup: read the records of users of one partition, all as of one moment.
--   KEYS  meta, beats, left, and for each user his facts and his settings
--   ARGV  lane
--   returns  {µs; epoch; seq; version; facts, settings of each user}

local out = {int(US), int(epoch or 0), int(seq), int(ver)}
for i = 4, #KEYS do
  out[i + 1] = redis.call('HGETALL', KEYS[i])
end
return out
