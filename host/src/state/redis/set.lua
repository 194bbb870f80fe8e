-- KEYS: the value. ARGV: what it is, its life.
redis.call('SET', KEYS[1], ARGV[1])
live(KEYS[1], ARGV[2])
return 1
