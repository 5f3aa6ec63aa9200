/** A script that the server runs atomically. */
export interface Script {
  readonly name: string
  readonly text: string
}

/** Numbers that describe one charge to {@link TAKE}. */
const NUMBERS_PER_CHARGE = 6

/**
 * Takes every charge of a call, or none. Keys: one per charge. Arguments: the id of the call's lease, how long a lease
 * lasts (µs), then for each charge kind, count, span (µs, or `day`, `month`), burst, cost, and 1 where it is a shadow.
 * Answers 1 or 0, then for each charge the wait in ms (0: admitted, -1: until other calls end) and, where the answer
 * is 0, what remains. Time is the server's. Windows are lists of the times of the last `count` units, newest first.
 */
export const TAKE: Script = {
  name: 'take',
  text: `
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local lease, ttl = ARGV[1], tonumber(ARGV[2])
local DAY = 86400

-- Days since 1970 of the first of a month that is counted from the year 0 (proleptic Gregorian calendar).
local function daysAt(month)
  local y, m = math.floor(month / 12), month % 12 + 1
  if m <= 2 then y = y - 1 end
  local era = math.floor(y / 400)
  local yoe = y - era * 400
  local doy = math.floor((153 * (m + (m > 2 and -3 or 9)) + 2) / 5)
  return era * 146097 + yoe * 365 + math.floor(yoe / 4) - math.floor(yoe / 100) + doy - 719468
end

-- The number of the period that holds now, and the second at which it ends.
local function period(span)
  local days = math.floor(now / 1000000 / DAY)
  if span == 'day' then return days, (days + 1) * DAY end
  local month = 1970 * 12 + math.floor(days / 31)
  while daysAt(month + 1) <= days do month = month + 1 end
  return month, daysAt(month + 1) * DAY
end

-- Each kind answers its wait (µs; -1 until other calls end) and a function for what remains, and one that counts.
local kinds = {}

function kinds.window(key, count, span, burst, cost)
  local per = tonumber(span)
  local at = redis.call('LINDEX', key, count - cost)
  local wait = at and math.max(0, at + per - now) or 0
  local function remaining()
    local low, high = 0, redis.call('LLEN', key)
    while low < high do
      local middle = math.floor((low + high) / 2)
      if redis.call('LINDEX', key, middle) + per > now then low = middle + 1 else high = middle end
    end
    return count - low
  end
  return wait, remaining, function()
    local text = string.format('%.0f', now)
    for _ = 1, cost do redis.call('LPUSH', key, text) end
    redis.call('LTRIM', key, 0, count - 1)
    redis.call('PEXPIRE', key, math.ceil(per / 1000) + 1)
  end
end

function kinds.gcra(key, count, span, burst, cost)
  -- What is owed at a time, and not the time when nothing is: that would have no room for fractions.
  local interval = tonumber(span) / count
  local kept = redis.call('HMGET', key, 'at', 'owed')
  local at, owed = now, 0
  if kept[1] then
    at = math.max(now, tonumber(kept[1]))
    owed = math.max(0, tonumber(kept[2]) - (at - tonumber(kept[1])))
  end
  local wait = owed + (cost - burst) * interval
  local function remaining() return math.floor(burst - owed / interval + 0.000001) end
  return wait > 0.001 and wait or 0, remaining, function()
    local new = owed + cost * interval
    redis.call('HSET', key, 'at', string.format('%.0f', at), 'owed', string.format('%.17g', new))
    redis.call('PEXPIRE', key, math.ceil(new / 1000) + 1)
  end
end

function kinds.quota(key, count, span, burst, cost)
  local current, ends = period(span)
  local kept = redis.call('HMGET', key, 'period', 'used')
  local used = 0
  if kept[1] and tonumber(kept[1]) >= current then
    current, used = tonumber(kept[1]), tonumber(kept[2])
  end
  local wait = used + cost <= count and 0 or math.max(1, ends * 1000000 - now)
  return wait, function() return count - used end, function()
    redis.call('HSET', key, 'period', current, 'used', string.format('%.0f', used + cost))
    redis.call('EXPIREAT', key, ends + 60)
  end
end

function kinds.concurrency(key, count, span, burst, cost)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', string.format('%.0f', now))
  local used = redis.call('ZCARD', key)
  return used + cost <= count and 0 or -1, function() return count - used end, function()
    local ends = string.format('%.0f', now + ttl)
    for unit = 1, cost do redis.call('ZADD', key, ends, lease .. ':' .. unit) end
    redis.call('PEXPIRE', key, math.ceil(ttl / 1000))
  end
end

local answer, remain, count = { 1 }, {}, {}
for i, key in ipairs(KEYS) do
  local a = 2 + (i - 1) * ${NUMBERS_PER_CHARGE}
  local wait, remaining, add = kinds[ARGV[a + 1]](
    key, tonumber(ARGV[a + 2]), ARGV[a + 3], tonumber(ARGV[a + 4]), tonumber(ARGV[a + 5]))
  if wait == 0 then count[#count + 1] = add
  elseif ARGV[a + 6] ~= '1' then answer[1] = 0 end
  answer[i + 1] = wait > 0 and math.ceil(wait / 1000) or wait
  remain[i] = remaining
end
if answer[1] == 1 then
  for _, add in ipairs(count) do add() end
else
  for _, remaining in ipairs(remain) do answer[#answer + 1] = math.max(0, remaining()) end
end
return answer
`,
}

/** Gives back what a lease holds. Keys: where it holds something. Arguments: the lease and, for each key, how much. */
export const RELEASE: Script = {
  name: 'release',
  text: `
for i, key in ipairs(KEYS) do
  for unit = 1, tonumber(ARGV[i + 1]) do redis.call('ZREM', key, ARGV[1] .. ':' .. unit) end
end
return 1
`,
}

/**
 * A sign of life. Keys: the replicas, then where leases hold something. Arguments: the replica, how long it is
 * remembered (µs), how long a lease lasts (µs), then for each further key the lease and how much. Answers how many
 * replicas there are.
 */
export const BEAT: Script = {
  name: 'beat',
  text: `
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local function text(time) return string.format('%.0f', time) end
redis.call('ZADD', KEYS[1], text(now + ARGV[2]), ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', text(now))
redis.call('PEXPIRE', KEYS[1], math.ceil(ARGV[2] / 1000))
for i = 2, #KEYS do
  local a = 3 + (i - 2) * 2
  for unit = 1, tonumber(ARGV[a + 2]) do
    redis.call('ZADD', KEYS[i], text(now + ARGV[3]), ARGV[a + 1] .. ':' .. unit)
  end
  redis.call('PEXPIRE', KEYS[i], math.ceil(ARGV[3] / 1000))
end
return redis.call('ZCARD', KEYS[1])
`,
}

/** Forgets a replica. Keys: the replicas. Arguments: the replica. */
export const LEAVE: Script = { name: 'leave', text: `return redis.call('ZREM', KEYS[1], ARGV[1])` }
