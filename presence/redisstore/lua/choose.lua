-- choose: set what the user chose, and make him hide (invisible) or come out (anything else).
--   KEYS  meta, beats, left, the user's facts, his settings
--   ARGV  lane, user, status (empty: automatic), for ms (0: see until), until ms (0: until cleared)
--   returns  {chosen; µs; epoch; seq; version; facts; settings}

local u, settings = KEYS[4], KEYS[5]
local user, status, lasts, ends = ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local FOREVER = 34560000000 -- 400 days in ms: facts with no end of their own

local was = split(redis.call('HGET', u, 'c') or '|0|0|0')
local hiding = split(redis.call('HGET', settings, 'h') or '0|0|0|0|0|||0')
local seen = split(redis.call('HGET', u, 'e') or '0|0|0')

local live, newest = false, tonumber(seen[2])
local fields = redis.call('HGETALL', u)
for i = 1, #fields, 2 do
  if string.sub(fields[i], 1, 2) == 's:' then
    live = true
    local _, input = last_heard(split(fields[i + 1]), string.sub(fields[i], 3), user)
    newest = math.max(newest, input)
  end
end

local hide = status == 'invisible'
local facts, version = {}, nil
if hide ~= (hiding[1] == '1') then
  version = next_version()
  if hide then
    local profile = redis.call('HGET', u, 'p') or '||0'
    local at, shown = int(MS), version
    if not live then
      -- Who is offline already looks as before: not even a version moves, and nothing shows that is older than when he last came out.
      at = seen[1] == '0' and seen[1] or int(math.max(tonumber(seen[1]), tonumber(hiding[2])))
      shown = int(math.max(tonumber(split(profile)[3]), tonumber(seen[3]), tonumber(hiding[5])))
    end
    hiding = {'1', int(MS), at, shown, version, profile}
  else
    hiding = {'0', int(MS), '0', '0', version, '||0'}
  end
  redis.call('HSET', settings, 'h', pack(hiding))
  facts[1] = 'h=' .. pack(hiding)
end
if hide then status = '' end

if status ~= '' or was[1] ~= '' then
  version = version or next_version()
  if lasts > 0 then ends = MS + lasts end
  if status == '' then ends = 0 end
  local input = status == 'away' and newest or 0
  local chosen = pack({status, int(ends), int(input), version})
  redis.call('HSET', u, 'c', chosen)
  facts[#facts + 1] = 'c=' .. chosen
  local needed = KEPT
  if status ~= '' then needed = ends == 0 and FOREVER or math.max(KEPT, ends - MS) end
  keep(u, needed)
end
if version then
  publish(version, 'choice', user, facts)
end
return answer('chosen', u, settings)
