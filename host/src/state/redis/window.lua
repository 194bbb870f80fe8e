-- The end of a window, in seconds since 1970 by the clock of the store. The same as in `state/window.rs`.
local function window_end(window, seconds)
  local sizes = { minute = 60, hour = 3600, day = 86400 }
  if sizes[window] then return seconds - seconds % sizes[window] + sizes[window] end
  local day = math.floor(seconds / 86400)
  local year, first = 1970, 0
  local function days_of(year)
    local is_leap = year % 4 == 0 and (year % 100 ~= 0 or year % 400 == 0)
    return is_leap and 366 or 365
  end
  while first + days_of(year) <= day do
    first = first + days_of(year)
    year = year + 1
  end
  for _, days in ipairs({ 31, days_of(year) - 337, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 }) do
    first = first + days
    if first > day then break end
  end
  return first * 86400
end

-- Gives a key its end: `forever`, a number of milliseconds, or a window.
local function live(key, life)
  if life == 'forever' then return end
  if tonumber(life) then
    redis.call('PEXPIRE', key, life)
  else
    redis.call('EXPIREAT', key, string.format('%.0f', window_end(life, tonumber(redis.call('TIME')[1]))))
  end
end
