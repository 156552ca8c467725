#!lua name=cueline_11
-- `reserve` of the release before consent, as it was.
-- Checks and changes that must be atomic. The layout of the keys is described in keys.py.
-- Increase the number in the library's name with every change of a function's arguments or effects, so that
-- processes of two releases can run side by side. Names after a dollar sign are filled in by library.py.

local HISTORY = $HISTORY
local RECENT_CUES = $RECENT_CUES
local DAY_S = $DAY_S

local function load_history(key)
  local packed = redis.call('GET', key)
  return packed and cmsgpack.unpack(packed) or {}
end

local function save_history(key, history)
  redis.call('SET', key, cmsgpack.pack(history))
end

-- Add to a count. What is no number stays as it is: who reads it passes it over and logs its place.
local function count(key, field, by)
  return type(redis.pcall('HINCRBY', key, field, by)) == 'number'
end

local function recent(given, period, at)
  local number = 0
  for _, before in ipairs(given) do
    if at - before < period then number = number + 1 end
  end
  return number
end

-- Whether the offer's cap leaves room (period 0: no cap).
local function allowed(history, offer, max, period, at)
  return period <= 0 or recent(history[offer] or {}, period, at) < max
end

-- Web cues that no stream has taken stand in a history as well, under their offer's name and a question mark: when it
-- was given, when the cue ends, and so on in pairs. Without the first pair given at `at`; whether there was one.
local function forget_open(history, offer, at)
  local name = offer .. '?'
  local open = history[name] or {}
  for i = 1, #open, 2 do
    if open[i] == at then
      table.remove(open, i + 1)
      table.remove(open, i)
      if #open == 0 then history[name] = nil end
      return true
    end
  end
  return false
end

local function forget_given(history, offer, at)
  local given = history[offer] or {}
  for i, before in ipairs(given) do
    if before == at then
      table.remove(given, i)
      if #given == 0 then history[offer] = nil end
      return
    end
  end
end

-- Take back what was given by cues that no stream had taken when they ended, at `at` or before.
local function settle(history, at)
  for name, open in pairs(history) do
    if string.sub(name, -1) == '?' then
      local left = {}
      for i = 1, #open, 2 do
        if open[i + 1] <= at then
          forget_given(history, string.sub(name, 1, -2), open[i])
        else
          left[#left + 1], left[#left + 2] = open[i], open[i + 1]
        end
      end
      history[name] = #left > 0 and left or nil
    end
  end
end

-- Record in `history` that the offer was given at `at`, if its cap allows it: by a cue that ends at `ends` without
-- effect when no stream takes it, or (0) for good.
local function take(history, offer, max, period, at, ends)
  if not allowed(history, offer, max, period, at) then return false end
  local given = history[offer] or {}
  given[#given + 1] = at
  if #given > 1 and given[#given - 1] > at then table.sort(given) end
  history[offer] = given
  if ends > 0 then
    local open = history[offer .. '?'] or {}
    open[#open + 1], open[#open + 2] = at, ends
    history[offer .. '?'] = open
  end
  if #given > math.max(HISTORY, max) then forget_open(history, offer, table.remove(given, 1)) end
  return true
end

-- Take each of the candidates from `first` to `last` in `args` whose cap allows it: a digit each, 1 or 0.
local function take_each(key, args, first, last, at)
  local history, taken, any = load_history(key), '', false
  settle(history, at)
  for c = first, last, 3 do
    local allowed = take(history, args[c], tonumber(args[c + 1]), tonumber(args[c + 2]), at, 0)
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

redis.register_function('cueline_11_reserve', reserve)
