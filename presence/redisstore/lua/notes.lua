-- notes: read what the partition's outbox has. After outbox.lua.
--   KEYS  meta, beats, left, rooms
--   ARGV  lane, by whom it is held, number of the tenure, id of the last note that was read (empty: none was), notes to read at most, rooms to tell at most
--   returns  {not held}, or {notes; for each: what was told of its user; touched rooms, with their versions}

if not holds(ARGV[2], ARGV[3]) then return {'not held'} end

-- What a user chose has expired: no script changes him at that moment, so this one notes how he is since.
local due = redis.call('ZRANGEBYSCORE', DUE, '-inf', int(MS), 'LIMIT', 0, 100)
for i = 1, #due do
  local version = next_version()
  redis.call('HSET', META, 'ver', version)
  note_user(version, 'expiry', due[i])
end

local notes = redis.call('XRANGE', BOX, ARGV[4] == '' and '-' or '(' .. ARGV[4], '+', 'COUNT', ARGV[5])
local told = {}
for i = 1, #notes do
  local fields = notes[i][2]
  told[i] = fields[5] == 'u' and redis.call('HGET', TOLD, fields[6]) or ''
end

-- While people may yet come back no room is said to be vacant, so that there is no use in looking at those that are empty here, over and over: those in which somebody is are not to wait for them.
local most = tonumber(ARGV[6])
if (tonumber(redis.call('HGET', META, 'held')) or 0) <= MS then
  return {'notes', notes, told, redis.call('ZRANGE', TOUCHED, 0, most - 1, 'WITHSCORES')}
end
local all, some = redis.call('ZRANGE', TOUCHED, 0, 20 * most - 1, 'WITHSCORES'), {}
for i = 1, #all, 2 do
  if #some < 2 * most and redis.call('ZSCORE', ROOMS, 'r' .. string.sub(all[i], 2)) then some[#some + 1], some[#some + 2] = all[i], all[i + 1] end
end
return {'notes', notes, told, some}
