-- beat: take one heartbeat, whatever it brings.
--   KEYS  meta, beats, left, rooms, the user's facts, his settings
--   ARGV  lane, user, session, says (fingerprint of all that the beat says), ttl ms, state, idle 0 or 1, idle for ms, hidden 0 or 1,
--         device (empty: none), 1 where the beat names a device, number or empty, profile, fingerprint of the profile, instance,
--         sessions that the user may have, 1 where the plain command was tried before, activity (empty: what it was), ttl of the activity ms,
--         rooms (|room|room…, by name; -: those that it was in), 1 where the record is wanted, 1 where the session is believed to live
--   returns  {old, many, lost, steady or changed, the latter two followed by an exclamation mark where the session had left, and by + and their number where it has come into rooms; µs; epoch; seq; version; closed; facts and settings where wanted}. Lost: there is no such session, though
--         it is believed to live, and nothing says that it has ended; nothing was done

local u, settings = KEYS[5], KEYS[6]
local user, id, says, ttl = ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
local state, idle, idle_for, hidden = ARGV[6], ARGV[7], tonumber(ARGV[8]), ARGV[9]
local device, named, number = ARGV[10], ARGV[11] == '1', tonumber(ARGV[12])
local profile, profile_says, instance, may = ARGV[13], ARGV[14], ARGV[15], tonumber(ARGV[16])
local tried = ARGV[17] == '1'
local doing, doing_ttl = ARGV[18], tonumber(ARGV[19])
local names, wanted, expected = ARGV[20], ARGV[21] == '1' and settings, ARGV[22] == '1'

local packed = redis.call('HGET', u, 's:' .. id)
local session = packed and split(packed)
local highest
if session then
  highest = highest_seq(session, id, user)
else
  local grave = redis.call('HGET', u, 't:' .. id)
  if expected and not grave then return answer('lost', u) end
  highest = grave and tonumber(split(grave)[1])
end
-- The plain command may have stored this very number, and not have known that it did all there was to do.
local ours = tried and session and session[SAYS] == says and session[LEFT_AT] == '' and number == highest
if number and highest and number <= highest and not ours then
  return answer('old', u, wanted)
end

local shown, new_profile = true, true
local come, go = {}, {} -- rooms that the session comes into and goes out of
local came = 0 -- into how many, without presence.Everywhere
if session then
  local m = member(session, id, user)
  redis.call('ZREM', session[LEFT_AT] == '' and BEATS or LEFT, m, '#' .. m)
  if not named then device = session[DEVICE] end
  shown = session[STATE] ~= state or session[IDLE] ~= idle or session[DEVICE] ~= device
  new_profile = session[PROFILE] ~= profile_says
else
  local live, fields = 0, redis.call('HKEYS', u)
  for i = 1, #fields do
    if string.sub(fields[i], 1, 2) == 's:' then live = live + 1 end
  end
  if live >= may then
    return answer('many', u, wanted)
  end
  redis.call('HDEL', u, 't:' .. id)
  highest = nil
  come[1] = '' -- presence.Everywhere
  session = {'', '', '', '0', '', '', int(MS), '0', '', '', '', '', '', '', '', ''}
end

-- The newest input is fixed at the change to away.
local was_away = session[SAYS] ~= '' and away(session)
session[STATE], session[IDLE], session[DEVICE] = state, idle, device
if not away(session) then
  session[INPUT] = '0'
elseif not was_away then
  session[INPUT] = int(MS - idle_for)
end
session[HIDDEN], session[TTL], session[INSTANCE] = hidden, int(ttl), instance
session[SAYS], session[PROFILE] = says, profile_says
local returned = session[LEFT_AT] ~= ''
if returned then session[RETURNS] = int((tonumber(session[RETURNS]) or 0) + 1) end
session[LEFT_AT], session[LAST_BEAT], session[LAST_INPUT] = '', '', ''
number = number or highest
session[SEQ] = number and int(number) or ''

local facts, version = {}, nil
if shown then
  version = next_version()
  session[VERSION] = version
  facts[#facts + 1] = 's:' .. id .. '=' .. pack(session)
end
if new_profile then
  -- Two sessions may come with tokens of different age: what a session says anew counts, not what it repeats.
  local known = redis.call('HGET', u, 'p') or '||0'
  if string.sub(known, 1, #profile + 1) ~= profile .. '|' then
    version = version or next_version()
    redis.call('HSET', u, 'p', profile .. '|' .. version)
    facts[#facts + 1] = 'p=' .. profile .. '|' .. version
  end
end

if doing ~= '' then -- presence.Record.Does
  local was = redis.call('HGET', u, 'a:' .. id) or '|||0|0|0'
  local same, before = string.sub(was, 1, #doing + 1) == doing .. '|', split(was)
  local since, before_ends, own = before[4], tonumber(before[5]), before[6]
  local ends = MS + doing_ttl
  local goes_on = same and before_ends > MS
  if not goes_on or before_ends - MS < doing_ttl / 2 or ends < before_ends then
    version = version or next_version()
    if not goes_on then since, own = int(MS), version end
    local activity = pack({doing, since, int(ends), own})
    redis.call('HSET', u, 'a:' .. id, activity)
    facts[#facts + 1] = 'a:' .. id .. '=' .. activity
  end
end

if names ~= '-' then -- presence.Record.SetRooms
  local was, is = split(redis.call('HGET', u, 'm:' .. id) or ''), split(names)
  local since, still = {}, {}
  for i = 2, #was, 2 do since[was[i]] = was[i + 1] end
  for i = 2, #is do
    still[is[i]] = true
    if not since[is[i]] then
      come[#come + 1] = is[i]
      came = came + 1
    end
  end
  for i = 2, #was, 2 do
    if not still[was[i]] then go[#go + 1] = was[i] end
  end
  if #go > 0 or #is - 1 ~= (#was - 1) / 2 then
    version = version or next_version()
    local stays = {version}
    for i = 2, #is do
      stays[#stays + 1] = is[i]
      stays[#stays + 1] = since[is[i]] or version
    end
    local packed_stays = pack(stays)
    redis.call('HSET', u, 'm:' .. id, packed_stays) -- without rooms too: its version tells that none was lost
    facts[#facts + 1] = 'm:' .. id .. '=' .. packed_stays
  end
end
if #come > 0 or #go > 0 then
  local all, apart = seen_by(settings)
  if all or apart then
    local elsewhere = #go > 0 and besides(u, id)
    reindex(user, version, entries(user, id, come, {}, all, apart), entries(user, id, go, elsewhere, all, apart))
  end
end

local m = member(session, id, user)
local score = int((MS + ttl) * GRAIN + math.min(math.floor(idle_for / IDLE_MS), GRAIN - 1))
if number then
  redis.call('ZADD', BEATS, score, m, int(number - SEQ_BASE), '#' .. m)
else
  redis.call('ZADD', BEATS, score, m)
end
redis.call('HSET', u, 's:' .. id, pack(session))
keep(u, KEPT)
if version then
  publish({u}, version, 'beat', user, facts)
end
return answer((version and 'changed' or 'steady') .. (returned and '!' or '') .. (came > 0 and '+' .. came or ''), u, wanted)
