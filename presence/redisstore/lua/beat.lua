-- beat: take one heartbeat, whatever it brings.
--   KEYS  meta, beats, left, the user's facts, his settings where the record is wanted
--   ARGV  lane, user, session, says (fingerprint of all that the beat says), ttl ms, state, idle 0 or 1, idle for ms, hidden 0 or 1,
--         device (empty: none), 1 where the beat names a device, number or empty, profile, fingerprint of the profile, instance,
--         sessions that the user may have, 1 where the plain command was tried before
--   returns  {old, many, steady or changed; µs; epoch; seq; version; facts and settings where wanted}

local u, settings = KEYS[4], KEYS[5]
local user, id, says, ttl = ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
local state, idle, idle_for, hidden = ARGV[6], ARGV[7], tonumber(ARGV[8]), ARGV[9]
local device, named, number = ARGV[10], ARGV[11] == '1', tonumber(ARGV[12])
local profile, profile_says, instance, may = ARGV[13], ARGV[14], ARGV[15], tonumber(ARGV[16])
local tried = ARGV[17] == '1'

local packed = redis.call('HGET', u, 's:' .. id)
local session = packed and split(packed)
local highest
if session then
  highest = highest_seq(session, id, user)
else
  local grave = redis.call('HGET', u, 't:' .. id)
  highest = grave and tonumber(split(grave)[1])
end
-- The plain command may have stored this very number, and not have known that it did all there was to do.
local ours = tried and session and session[SAYS] == says and session[LEFT_AT] == '' and number == highest
if number and highest and number <= highest and not ours then
  return answer('old', u, settings)
end

local shown, new_profile = true, true
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
    return answer('many', u, settings)
  end
  redis.call('HDEL', u, 't:' .. id)
  highest = nil
  session = {'', '', '', '0', '', '', int(MS), '0', '', '', '', '', '', '', ''}
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
  publish(version, 'beat', user, facts)
end
return answer(version and 'changed' or 'steady', u, settings)
