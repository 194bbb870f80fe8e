-- KEYS: counters. ARGV: for each what to add, its most or nothing, its life. Returns the number of the first that was refused or
-- -1, and for each its sum and the milliseconds to its end or -1.
--
-- Numbers of Lua are exact to 53 bits, so sums stay text.
local MOST, LEAST = '9223372036854775807', '-9223372036854775808'

local function is_above(one, other)
  local one_below, other_below = one:sub(1, 1) == '-', other:sub(1, 1) == '-'
  if one_below ~= other_below then return other_below end
  if one_below then one, other = other:sub(2), one:sub(2) end
  if #one ~= #other then return #one > #other end
  return one > other
end

local function put_back(before)
  for i = #before, 1, -1 do
    if before[i] then redis.call('SET', KEYS[i], before[i], 'KEEPTTL') else redis.call('DEL', KEYS[i]) end
  end
end

local before, refused = {}, -1
for i, key in ipairs(KEYS) do
  local delta, most, life = ARGV[3 * i - 2], ARGV[3 * i - 1], ARGV[3 * i]
  local kept = redis.call('GET', key)
  local done = redis.pcall('INCRBY', key, delta)
  if type(done) == 'table' and done.err then
    local is_no_number = string.find(done.err, 'not an integer') or string.find(done.err, 'WRONGTYPE')
    if is_no_number then
      put_back(before)
      return { -2, i }
    end
    -- The store has failed: it is full, or takes no writes.
    if not string.find(done.err, 'overflow') then return done end
    redis.call('SET', key, delta:sub(1, 1) == '-' and LEAST or MOST, 'KEEPTTL')
  end
  before[i] = kept
  if not kept then live(key, life) end
  local is_more = delta:sub(1, 1) ~= '-' and delta ~= '0'
  if is_more and most ~= '' and refused < 0 and is_above(redis.call('GET', key), most) then refused = i - 1 end
end
if refused >= 0 then put_back(before) end
local answer = { refused }
for _, key in ipairs(KEYS) do
  answer[#answer + 1] = redis.call('GET', key) or '0'
  answer[#answer + 1] = redis.call('PTTL', key)
end
return answer
