-- finish: take notes out that are done with. After outbox.lua.
--   KEYS  meta, beats, left, rooms
--   ARGV  lane, by whom it is held, number of the tenure; and for each note four ARGV: its id, its user (empty: it is of a room), what is told of him now, why
--         it was given up (empty: it was not)
--   returns  held, or not held

if not holds(ARGV[2], ARGV[3]) then return 'not held' end
for i = 4, #ARGV, 4 do
  local id, user, status, why = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  if user ~= '' and status == 'offline' then
    redis.call('HDEL', TOLD, user)
  elseif user ~= '' then
    redis.call('HSET', TOLD, user, status)
  end
  if why == '' then
    redis.call('XDEL', BOX, id)
  else
    local entry = redis.call('XRANGE', BOX, id, id)
    if entry[1] then give_up(entry[1], why) end
  end
end
return 'held'
