-- settled: rooms have been looked at, and need not be again, unless they have been touched since. After outbox.lua.
--   KEYS  meta, beats, left, rooms
--   ARGV  lane; and for each the entry of outbox:touched and its version

for i = 2, #ARGV, 2 do
  if tonumber(redis.call('ZSCORE', TOUCHED, ARGV[i]) or '') == tonumber(ARGV[i + 1]) then redis.call('ZREM', TOUCHED, ARGV[i]) end
end
return 'settled'
