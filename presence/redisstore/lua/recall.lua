-- recall: take back what an instance remembers of a user, where it is newer than what is here, or was lost. What was taken is announced as one
-- change, in which each fact has the version that it had, so that whoever sees it already is shown nothing. To offer the same again changes nothing.
--   KEYS  meta, beats, left, rooms, the user's facts, his settings
--   ARGV  lane, user, greatest version that the instance has heard of in the lane, how long the facts are to be kept ms, version of the last end of a
--         session of his that it knows of, version of the last change to his relations where it knows all of them, else empty; length of a hold ms; and any number of
--         these, four ARGV each:
--           sure; -; -; -         the settings that are offered are all that he has, and what hides after a loss need not hide him
--           ended; field of the grave; number (or empty)|version; -
--           session; field; value; age of the last sign of its life ms (empty: not known)|idleness as in a score|what is left of its grace ms|highest number (or empty)
--           facts, settings; field; value; the place of the part that is its version
--   returns  {kept or recalled; µs; epoch; seq; version; closed}

local u, settings = KEYS[5], KEYS[6]
local user, kept, ends, related, hold = ARGV[2], tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])

local function part(packed, place) return tonumber(split(packed or '')[tonumber(place)]) or 0 end

local heard_of = tonumber(ARGV[3])
if heard_of > ver then
  ver = heard_of
  redis.call('HSET', META, 'ver', int(ver))
end
local known_ends = part(redis.call('HGET', u, 'e'), 3)
local known_related = part(redis.call('HGET', settings, 'related'), 1)

-- Whether what is not here of a session was lost. Else the session has ended, which the instance has not heard.
local function was_lost(version) return version > known_ends or ends >= known_ends end

local lines, wrote, keys = {}, {}, {}
local function tell(key, field, value)
  if not wrote[key] then
    wrote[key] = true
    keys[#keys + 1] = key
  end
  lines[#lines + 1] = field .. '=' .. value
end

-- All that the index of rooms has of the user, by what is here of him.
local function indexed()
  local all, apart = seen_by(settings)
  local fields, live, stays, out = redis.call('HGETALL', u), {}, {}, {}
  for i = 1, #fields, 2 do
    local kind, id = string.sub(fields[i], 1, 2), string.sub(fields[i], 3)
    if kind == 's:' then live[#live + 1] = id end
    if kind == 'm:' then stays[id] = split(fields[i + 1]) end
  end
  for i = 1, #live do
    local names, m = {''}, stays[live[i]] or {}
    for j = 2, #m, 2 do names[#names + 1] = m[j] end
    local mine = entries(user, live[i], names, {}, all, apart)
    for j = 1, #mine do out[mine[j]] = true end
  end
  return out
end

local function bury_here(id, grave)
  local known = redis.call('HGET', u, 't:' .. id)
  if not known or part(known, 2) < part(grave, 2) then bury(u, id, grave, redis.call('HKEYS', u)) end
end

local function recall_end(field, grave)
  local id = string.sub(field, 3)
  local packed = redis.call('HGET', u, 's:' .. id)
  local session = packed and split(packed)
  if session and part(packed, VERSION) > part(grave, 2) then return end -- another one
  if session then
    local m = member(session, id, user)
    redis.call('ZREM', BEATS, m, '#' .. m)
    redis.call('ZREM', LEFT, m)
    local _, _, marks = besides(u, id)
    redis.call('HDEL', u, 's:' .. id, 'a:' .. id, 'm:' .. id)
    for room, till in pairs(unmark(u, id, marks)) do note_typing(room, user, till) end
    tell(u, field, grave)
  end
  bury_here(id, grave)
end

-- When a session that is here gave its last sign of life. One whose deadline was lost gave none.
local function sign_of(session, id)
  if session[LEFT_AT] ~= '' then return tonumber(session[LEFT_AT]) end
  if not redis.call('ZSCORE', BEATS, member(session, id, user)) then return -1 end
  return (last_heard(session, id, user))
end

-- What is remembered of a deadline may be old, and while an epoch begins others may be missing too: so silence counts no more than one hold after the last offer of then.
-- Later, where keys are evicted, say, or an instance was cut off for long, whoever is offered back is spared alone: his own deadline is a hold from now at least. Else
-- each such offer would have all the partition's silence count for nothing. That the time until then is his TTL leaves when he was heard of last as it was.
local function spare(offered, heard)
  local begun = epoch and MS - math.floor(epoch / 1000)
  if not begun or begun >= 0 and begun <= hold then
    if (tonumber(redis.call('HGET', META, 'held')) or 0) < MS + hold then redis.call('HSET', META, 'held', int(MS + hold)) end
  elseif heard and offered[LEFT_AT] == '' then
    offered[TTL] = int(math.max(tonumber(offered[TTL]), MS + hold - heard))
  end
end

local restored = {}
local function recall_session(field, value, how)
  local id, offered, version = string.sub(field, 3), split(value), part(value, VERSION)
  how = split(how)
  local age, number = tonumber(how[1]), tonumber(how[4])
  local left_at = tonumber(offered[LEFT_AT])
  -- An age is less by as long as the offer was on its way, which must not make a leave younger than the return that followed it.
  local heard = age and math.min(MS - age, left_at or MS) or left_at
  local packed = redis.call('HGET', u, field)
  local known = packed and split(packed)
  if not known and (version <= part(redis.call('HGET', u, 't:' .. id), 2) or not was_lost(version)) then return end
  local shown = true
  if known then
    local m, highest = member(known, id, user), highest_seq(known, id, user)
    local newer = version - part(packed, VERSION)
    if newer < 0 and not was_lost(version) then return end -- of an earlier session with this id
    if newer < 0 or newer == 0 and (heard or 0) <= sign_of(known, id) then
      if number and (not highest or highest < number) then
        if known[LEFT_AT] == '' then redis.call('ZADD', BEATS, int(number - SEQ_BASE), '#' .. m) end
        known[SEQ] = int(number)
      end
      if part(value, STARTED) < part(packed, STARTED) then -- it was begun anew where it was not remembered
        known[STARTED] = offered[STARTED]
        tell(u, field, pack(known))
      end
      redis.call('HSET', u, field, pack(known))
      return
    end
    shown = newer > 0
    number = math.max(number or highest or 0, highest or number or 0)
    if number == 0 then number = nil end
    redis.call('ZREM', BEATS, m, '#' .. m)
    redis.call('ZREM', LEFT, m)
  end
  offered[SEQ] = number and int(number) or ''
  if not known then spare(offered, heard) end
  local m = member(offered, id, user)
  if offered[LEFT_AT] == '' then
    redis.call('ZADD', BEATS, int(((heard or MS) + tonumber(offered[TTL])) * GRAIN + tonumber(how[2])), m)
    if number then redis.call('ZADD', BEATS, int(number - SEQ_BASE), '#' .. m) end
  else
    redis.call('ZADD', LEFT, int(MS + tonumber(how[3])), m)
  end
  redis.call('HDEL', u, 't:' .. id)
  redis.call('HSET', u, field, pack(offered))
  restored[id] = true
  if shown then tell(u, field, pack(offered)) end
end

local function recall_fact(field, value, place)
  local id = string.match(field, '^[am]:(.*)$')
  if id and (redis.call('HEXISTS', u, 's:' .. id) == 0 or not was_lost(part(value, place))) then return end
  local known = redis.call('HGET', u, field)
  if known and part(value, place) <= part(known, place) then return end
  redis.call('HSET', u, field, value)
  tell(u, field, value)
  if id and not restored[id] then unsettle(u, user, id) end
end

local opened = false
local function recall_sure()
  if closed <= part(redis.call('HGET', settings, 'sure'), 1) then return end
  opened = true
  local at = int(math.max(ver + 1, US)) -- as next_version() will have it
  redis.call('HSET', settings, 'sure', at)
  tell(settings, 'sure', at)
end

-- Whoever watches the rooms of one who was hidden need not know of him yet.
local function tell_where()
  local fields = redis.call('HGETALL', u)
  for i = 1, #fields, 2 do
    if string.sub(fields[i], 1, 2) == 'm:' then tell(u, fields[i], fields[i + 1]) end
  end
end

local relates, all_related = false, {}
local function recall_setting(field, value, place)
  local relation = string.sub(field, 1, 2) == 'r:'
  if relation then all_related[field] = true end
  local known = redis.call('HGET', settings, field)
  if known and part(value, place) <= part(known, place) then return end
  -- A relation that is not here was removed, if this hash has relations of a later time and of the time before the loss.
  if relation and not known and part(value, place) <= known_related and known_related < (epoch or 0) then return end
  redis.call('HSET', settings, field, value)
  tell(settings, field, value)
  relates = relates or relation
end

-- Relations that were removed since an old dump.
local function remove_relations()
  local fields = redis.call('HKEYS', settings)
  for i = 1, #fields do
    if string.sub(fields[i], 1, 2) == 'r:' and not all_related[fields[i]] and part(redis.call('HGET', settings, fields[i]), 4) <= related then
      redis.call('HDEL', settings, fields[i])
      tell(settings, fields[i], '0|0|0|' .. int(related))
      relates = true
    end
  end
end

local function note_blocks()
  local hash, blocks = redis.call('HGETALL', settings), '0'
  for i = 1, #hash, 2 do
    if string.sub(hash[i], 1, 2) == 'r:' and split(hash[i + 1])[2] == '1' then blocks = '1' end
  end
  redis.call('HSET', settings, 'apart', blocks)
end

local before = indexed()
local does = {sure = recall_sure, ended = recall_end, session = recall_session, facts = recall_fact, settings = recall_setting}
for i = 8, #ARGV, 4 do does[ARGV[i]](ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]) end
if related and related >= known_related then remove_relations() end
if relates then note_blocks() end
if opened then tell_where() end
if #lines == 0 then return answer('kept') end

local version, come, go, after = next_version(), {}, {}, indexed()
for entry in pairs(after) do come[#come + 1] = entry end -- all of them, in case the index was lost
for entry in pairs(before) do
  if not after[entry] then go[#go + 1] = entry end
end
reindex(user, version, come, go, true)
publish(keys, version, 'recall', user, lines)
if wrote[u] then keep(u, kept) end
return answer('recalled')
