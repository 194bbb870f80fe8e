-- KEYS: buckets, each the microsecond since 1970 at which it is full. ARGV: the microseconds that a caller may wait; for each bucket
-- its tokens a second, its burst, the cost. Returns the number of the bucket that has them too late or -1, and the microseconds to wait.
-- The same as in `state/tokens.rs`.
local FURTHEST = 1e15
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local function micros(seconds) return math.floor(math.min(math.max(seconds * 1e6, 0), FURTHEST) + 0.5) end

local full_in, latest, wait = {}, -1, 0
for i, key in ipairs(KEYS) do
  local per_second, burst, cost = tonumber(ARGV[3 * i - 1]), tonumber(ARGV[3 * i]), tonumber(ARGV[3 * i + 1])
  local before = full_in[key]
  if not before then before = math.max(tonumber(redis.call('GET', key) or now) - now, 0) end
  if cost > 0 then
    local has_in = micros(before / 1e6 + math.min(cost, burst) / per_second - burst / per_second)
    if has_in > wait then latest, wait = i - 1, has_in end
  end
  full_in[key] = micros(before / 1e6 + cost / per_second)
end
if wait > tonumber(ARGV[1]) then return { latest, string.format('%.0f', wait) } end
for key, time in pairs(full_in) do
  if time > 0 then
    redis.call('SET', key, string.format('%.0f', now + time), 'PX', string.format('%.0f', math.ceil(time / 1000) + 1))
  else
    redis.call('DEL', key)
  end
end
return { -1, string.format('%.0f', wait) }
