-- clock: the time of this step in µs. A file of its own, because tests turn the clock.
local time = redis.call('TIME')
local US = time[1] * 1000000 + time[2]
