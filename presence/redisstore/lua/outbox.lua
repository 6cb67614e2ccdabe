-- outbox: where webhooks are configured, what scripts keep for somebody outside: see outbox.go. After prelude.lua; begins with local OUTBOX, how many notes
-- a partition keeps.
--   outbox         stream: notes that are not done with. Of a user: v, c, u, the fields that his status is made of, and closed where he is hidden by a loss; of a room: v, c, r, o (1 occupied, 0 vacant)
--   outbox:state   hash: by, number and until of the tenure; dead, the number of notes that were given up
--   outbox:told    hash: what was told last of each user, but for those who are offline
--   outbox:due     sorted set: users by when what they chose expires, ms
--   outbox:touched sorted set: rooms to look at, by the version of the change that touched them; q before those that came back after a loss, else l
--   outbox:occupied  hash: rooms of this partition's that were said to be occupied, with the version of that
--   outbox:dead    stream: the last notes that were given up

local BOX, STATE_OF, TOLD = PREFIX .. 'outbox', PREFIX .. 'outbox:state', PREFIX .. 'outbox:told'
local DUE, TOUCHED, DEAD = PREFIX .. 'outbox:due', PREFIX .. 'outbox:touched', PREFIX .. 'outbox:dead'
local OCCUPIED = PREFIX .. 'outbox:occupied'
local DEAD_KEPT = 1000

local function give_up(entry, why)
  local fields = entry[2]
  fields[#fields + 1], fields[#fields + 2] = 'dead', why
  redis.call('XADD', DEAD, 'MAXLEN', '~', DEAD_KEPT, '*', unpack(fields))
  redis.call('XDEL', BOX, entry[1])
  redis.call('HINCRBY', STATE_OF, 'dead', 1)
end

-- A full outbox gives up what has waited for longest: of each user the newest counts most.
local function put(fields)
  if redis.call('XLEN', BOX) >= OUTBOX then
    local oldest = redis.call('XRANGE', BOX, '-', '+', 'COUNT', 1)
    if oldest[1] then give_up(oldest[1], 'full') end
  end
  redis.call('XADD', BOX, '*', unpack(fields))
end

local function note_user(version, cause, user)
  local all = redis.call('HGETALL', PREFIX .. 'u:' .. user)
  local fields = {'v', version, 'c', cause, 'u', user}
  local ends = 0
  for i = 1, #all, 2 do
    local kind = string.sub(all[i], 1, 2)
    if kind == 's:' or all[i] == 'c' then
      fields[#fields + 1], fields[#fields + 2] = all[i], all[i + 1]
    end
    if all[i] == 'c' then
      local chosen = split(all[i + 1])
      if chosen[1] ~= '' then ends = tonumber(chosen[2]) or 0 end
    end
  end
  local set = redis.call('HMGET', PREFIX .. 's:' .. user, 'hide:other', 'sure')
  if set[1] then fields[#fields + 1], fields[#fields + 2] = 'hide:other', set[1] end
  if closed > (tonumber(set[2]) or 0) then fields[#fields + 1], fields[#fields + 2] = 'closed', int(closed) end
  put(fields)
  if ends > MS then
    redis.call('ZADD', DUE, int(ends), user)
  else
    redis.call('ZREM', DUE, user)
  end
end

-- Whether facts are told of which a status is made: presence.Change.Concerns.
note = function(version, cause, user, facts)
  for i = 1, #facts do
    local kind = string.sub(facts[i], 1, 2)
    if kind == 's:' or kind == 't:' or kind == 'c=' or string.sub(facts[i], 1, 11) == 'hide:other=' or string.sub(facts[i], 1, 5) == 'sure=' then
      return note_user(version, cause, user)
    end
  end
end

-- Somebody is in the room who was the first of this partition, or nobody of it is there any more.
touch = function(room, version, back) redis.call('ZADD', TOUCHED, version, (back and 'q' or 'l') .. room) end

-- Whether the tenure still holds. What an outbox has lasts as long as somebody works on it, and then as long as facts do.
local function holds(by, number)
  local is = redis.call('HMGET', STATE_OF, 'by', 'number')
  return is[1] == by and is[2] == number
end
