-- beacon: tell the lane how far it is and what time it is there, unless somebody just did.
--   KEYS  meta, beats, left, rooms
--   ARGV  lane, time since the last beacon under which nothing is told µs, epoch and version that were heard of last
--   returns  µs

local last = tonumber(redis.call('HGET', META, 'beacon'))
if not epoch then begin_epoch(UNSWEPT, tonumber(ARGV[3]), tonumber(ARGV[4])) end
if not last or US - last >= tonumber(ARGV[2]) or last > US then publish_beacon() end
return int(US)
