#!lua name=$LIBRARY
-- What must be checked and changed at once. The layout of the keys is told in keys.py.
-- The number in the library's name rises with every change of a function's arguments or effects, so that
-- processes of two releases can run side by side. Names after a dollar sign are filled in by library.py.

local HISTORY = $HISTORY
local DAY_S = $DAY_S

local function load_history(key)
  local packed = redis.call('GET', key)
  return packed and cmsgpack.unpack(packed) or {}
end

local function save_history(key, history)
  redis.call('SET', key, cmsgpack.pack(history))
end

local function recent(given, period, at)
  local count = 0
  for _, before in ipairs(given) do
    if at - before < period then count = count + 1 end
  end
  return count
end

-- Note in `history` that the offer was given at `at`, if its cap allows it (period 0: no cap).
local function take(history, offer, max, period, at)
  local given = history[offer] or {}
  if period > 0 and recent(given, period, at) >= max then return false end
  given[#given + 1] = at
  if #given > 1 and given[#given - 1] > at then table.sort(given) end
  if #given > math.max(HISTORY, max) then table.remove(given, 1) end
  history[offer] = given
  return true
end

-- The place in `args` of the first candidate whose cap allows it, of those from `first` to `last`.
local function first_allowed(history, args, first, last, at)
  for c = first, last, 5 do
    if take(history, args[c], tonumber(args[c + 1]), tonumber(args[c + 2]), at) then return c end
  end
end

local function write_cue(keys, tag, customer, decision, payload, record, length)
  local id = redis.call('XADD', keys[1], 'MAXLEN', '~', length, '*', 'customer', customer, 'cue', payload)
  local cue = id .. ' ' .. payload
  redis.call('SET', tag .. 'w:' .. customer, cue, 'EX', DAY_S)
  redis.call('SPUBLISH', keys[1], cue)
  if record ~= '' then redis.call('SET', tag .. 'd:' .. decision, record, 'EX', DAY_S) end
end

-- KEYS: cue stream, tallies. ARGV: stream length, then of each choice: customer, at, decision, number of
-- candidates, and of each candidate: offer, max, period, payload, record. Returns of each choice the place of the candidate
-- taken, from 0, or -1 where caps allowed none.
local function cues(keys, args)
  local tag = string.sub(keys[1], 1, -2)
  local taken_at, written, arg = {}, 0, 2
  while arg <= #args do
    local customer, at, last = args[arg], tonumber(args[arg + 1]), arg + 3 + 5 * tonumber(args[arg + 3])
    local key = tag .. 'h:' .. customer
    local history = load_history(key)
    local taken = first_allowed(history, args, arg + 4, last, at)
    if taken then
      save_history(key, history)
      write_cue(keys, tag, customer, args[arg + 2], args[taken + 3], args[taken + 4], args[1])
      written = written + 1
    end
    taken_at[#taken_at + 1] = taken and (taken - arg - 4) / 5 or -1
    arg = last + 1
  end
  local capped = #taken_at - written
  if written > 0 then redis.call('HINCRBY', keys[2], 'cues', written) end
  if capped > 0 then redis.call('HINCRBY', keys[2], 'cues_capped', capped) end
  return taken_at
end

-- Take each of the candidates from `first` to `last` in `args` whose cap allows it: a digit each, 1 or 0.
local function take_each(key, args, first, last, at)
  local history, taken, any = load_history(key), '', false
  for c = first, last, 3 do
    local allowed = take(history, args[c], tonumber(args[c + 1]), tonumber(args[c + 2]), at)
    taken = taken .. (allowed and '1' or '0')
    any = any or allowed
  end
  if any then save_history(key, history) end
  return taken
end

-- KEYS: history and decision key of each reservation.
-- ARGV: of each: at, record, number of candidates, and of each candidate: offer, max, period.
-- Returns a string of 0 and 1 for each reservation, one digit a candidate.
local function reserve(keys, args)
  local answers, arg = {}, 1
  for i = 1, #keys, 2 do
    local at, first, wanted = tonumber(args[arg]), arg + 3, tonumber(args[arg + 2])
    redis.call('SET', keys[i + 1], args[arg + 1], 'EX', DAY_S)
    answers[#answers + 1] = wanted > 0 and take_each(keys[i], args, first, first + 3 * wanted - 1, at) or ''
    arg = first + 3 * wanted
  end
  return answers
end

-- Count what an offer of a decision came to, once: a success stands, and replaces a failure told before.
local function count_lesson(lessons, learned, arm, lesson)
  if redis.call('SISMEMBER', lessons, arm .. '|s') == 1 then return end
  if redis.call('SADD', lessons, arm .. '|' .. lesson) == 0 then return end
  redis.call('HINCRBY', learned, arm .. '|' .. lesson, 1)
  if lesson == 's' and redis.call('SISMEMBER', lessons, arm .. '|f') == 1 then
    redis.call('HINCRBY', learned, arm .. '|f', -1)
  end
  redis.call('HINCRBY', learned, 'version', 1)
end

-- KEYS: decision, its counted outcomes, what is learned. ARGV: offer|outcome, offer|channel, and s, f or ''.
local function learn(keys, args)
  if redis.call('EXISTS', keys[1]) == 0 then return 0 end
  local new = redis.call('SADD', keys[2], args[1])
  redis.call('EXPIRE', keys[2], DAY_S)
  if new == 1 and args[3] ~= '' then count_lesson(keys[2], keys[3], args[2], args[3]) end
  return new
end

redis.register_function('${LIBRARY}_cues', cues)
redis.register_function('${LIBRARY}_reserve', reserve)
redis.register_function('${LIBRARY}_learn', learn)
