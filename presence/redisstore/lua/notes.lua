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
return {'notes', notes, told, redis.call('ZRANGE', TOUCHED, 0, ARGV[6] - 1, 'WITHSCORES')}
