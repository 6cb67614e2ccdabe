-- amend: set what was made of the user's record as it was read, unless it has changed since.
--   KEYS  meta, beats, left, rooms, the user's facts, his settings
--   ARGV  lane, user, cause, version of the last change to his facts as read, the same of his settings, how long the facts are to be kept ms;
--         and any number of these, three ARGV each, with %v where the version of this change goes:
--           facts, settings; field; value        to be set, and told
--           gone, void; field; value             a fact, or a setting, that is no more: told all the same
--           silent; field; value                 a setting that concerns scripts alone
--           come, go; entry of the index of rooms; -
--           blinds; room; -                      he goes out of somebody's sight there
--           types; room; until when the user may be typing there ms (0: he is not)
--   returns  {amended; µs; epoch; seq; version; facts; settings}, or {conflict}

local u, settings = KEYS[5], KEYS[6]
local user, cause, kept = ARGV[2], ARGV[3], tonumber(ARGV[6])

if (redis.call('HGET', u, 'v') or '0') ~= ARGV[4] or (redis.call('HGET', settings, 'v') or '0') ~= ARGV[5] then
  return {'conflict'}
end

local version = next_version()
local lines, written, keys = {}, {}, {}
local function write(key)
  if not written[key] then
    written[key] = true
    keys[#keys + 1] = key
  end
  return key
end

local come, go = {}, {}
local does = {
  facts = function(field, value) redis.call('HSET', write(u), field, value) end,
  gone = function(field) redis.call('HDEL', write(u), field) end,
  settings = function(field, value) redis.call('HSET', write(settings), field, value) end,
  void = function(field) redis.call('HDEL', write(settings), field) end,
}
local quietly = {
  silent = function(field, value) redis.call('HSET', settings, field, value) end,
  come = function(entry) come[#come + 1] = entry end,
  go = function(entry) go[#go + 1] = entry end,
  blinds = function(room) note_gone(room, user, version) end,
  types = function(room, ends) note_typing(room, user, tonumber(ends)) end,
}
for i = 7, #ARGV, 3 do
  local what, field, value = ARGV[i], ARGV[i + 1], string.gsub(ARGV[i + 2], '%%v', version)
  if quietly[what] then
    quietly[what](field, value)
  else
    does[what](field, value)
    lines[#lines + 1] = field .. '=' .. value
    local kind = string.sub(field, 1, 2)
    if kind == 'a:' or kind == 'm:' then unsettle(u, user, string.sub(field, 3)) end
  end
end
reindex(user, version, come, go)
publish(keys, version, cause, user, lines)
if written[u] then keep(u, kept) end
return answer_whole('amended', u, settings)
