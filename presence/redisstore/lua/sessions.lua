-- sessions: read one record, and what steady beats have moved without telling.
--   KEYS  meta, beats, left, rooms, the user's facts, his settings
--   ARGV  lane, user
--   returns  {read; µs; epoch; seq; version; closed; facts; settings; for each session its id, last beat ms, newest input ms, deadline ms, number
--           or empty}

local u, settings = KEYS[5], KEYS[6]
local user = ARGV[2]

local out = answer_whole('read', u, settings)
local fields = out[7]
for i = 1, #fields, 2 do
  if string.sub(fields[i], 1, 2) == 's:' then
    local id, session = string.sub(fields[i], 3), split(fields[i + 1])
    local beat, input = last_heard(session, id, user)
    local deadline = beat + tonumber(session[TTL])
    if session[LEFT_AT] ~= '' then
      deadline = tonumber(redis.call('ZSCORE', LEFT, member(session, id, user))) or MS
    end
    local number = highest_seq(session, id, user)
    local n = #out
    out[n + 1], out[n + 2], out[n + 3], out[n + 4], out[n + 5] = id, int(beat), int(input), int(deadline), number and int(number) or ''
  end
end
return out
