-- KEYS: the value. ARGV: whether there is a current one, what it is, whether there is a new one, what it is.
local current = redis.call('GET', KEYS[1])
if (ARGV[1] == '1') ~= (current ~= false) then return 0 end
if current and current ~= ARGV[2] then return 0 end
if ARGV[3] == '1' then redis.call('SET', KEYS[1], ARGV[4]) else redis.call('DEL', KEYS[1]) end
return 1
