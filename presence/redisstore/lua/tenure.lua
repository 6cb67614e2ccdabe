-- tenure: take the partition's outbox for a while, or keep it; or let it go. After outbox.lua.
--   KEYS  meta, beats, left, rooms
--   ARGV  lane, by whom, for how long ms (0: let it go), number of the tenure that is let go
--   returns  the number of the tenure, or 0 where it is another's

local by, lease = ARGV[2], tonumber(ARGV[3])
local is = redis.call('HMGET', STATE_OF, 'by', 'number', 'until')
local mine, ends = is[1] == by, tonumber(is[3]) or 0
if lease == 0 then
  if mine and is[2] == ARGV[4] then redis.call('HDEL', STATE_OF, 'by', 'until') end
  return 0
end
-- A clock that was set back would let a lease last for ever.
if not mine and is[1] and ends > MS and ends <= MS + lease then return 0 end
local number = is[2]
if not mine or not number then number = int(math.max(US, (tonumber(is[2]) or 0) + 1)) end
redis.call('HSET', STATE_OF, 'by', by, 'number', number, 'until', int(MS + lease))
for _, key in ipairs({BOX, STATE_OF, TOLD, DUE, TOUCHED, OCCUPIED, DEAD}) do keep(key, KEPT) end
return number
