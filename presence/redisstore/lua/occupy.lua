-- occupy: say that a room is occupied, or vacant, unless somebody else has said something since it was read. In the partition of the room's name. After outbox.lua.
--   KEYS  meta, beats, left, rooms
--   ARGV  lane, room, 1 occupied or 0 vacant, what it was (a version; empty: vacant), 1 where nothing is to be told of it
--   returns  1 if it was said, else 0

local key, room, occupied, was, quiet = OCCUPIED, ARGV[2], ARGV[3], ARGV[4], ARGV[5] == '1'
if (redis.call('HGET', key, room) or '') ~= was then return 0 end
local version = next_version()
redis.call('HSET', META, 'ver', version)
if occupied == '1' then
  redis.call('HSET', key, room, version)
  keep(key, KEPT)
else
  redis.call('HDEL', key, room)
end
if not quiet then put({'v', version, 'c', 'room', 'r', room, 'o', occupied}) end
return 1
