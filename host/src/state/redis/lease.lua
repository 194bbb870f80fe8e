-- KEYS: the leases, by the microsecond since 1970 at which each ends. ARGV: how many may be held, the microseconds that one lasts, the
-- number of the new one. Returns 1 if it was granted, or 0 and the microseconds until the first one ends.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now))
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[1]) then
  local first = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
  return { 0, string.format('%.0f', first[2] - now) }
end
redis.call('ZADD', KEYS[1], string.format('%.0f', now + ARGV[2]), ARGV[3])
local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', math.ceil((last[2] - now) / 1000) + 1))
return { 1, '0' }
