#!lua name=$LIBRARY
-- Checks and changes that must be atomic. The layout of the keys is described in keys.py.
-- Increase the number in the library's name with every change of a function's arguments or effects, so that
-- processes of two releases can run side by side. Names after a dollar sign are filled in by library.py.

local HISTORY = $HISTORY
local RECENT_CUES = $RECENT_CUES
local DAY_S = $DAY_S
local KEPT_S = $KEPT_S
local MOST_TRAITS, MARK, ORDER, PLACE = $MOST_TRAITS, $MARK, $ORDER, $PLACE
local MOST_AGENTS, TIME, AGENT_ORDER = $MOST_AGENTS, $TIME, $AGENT_ORDER
local FIELDS = 8 -- arguments of a cue's candidate before its places
local MOST_CONSENTS = $MOST_CONSENTS
local WITHHELD = '$WITHHELD' -- in the id of a record of what was not sent
local FROZEN = '$FROZEN' -- under this name a history says that its customer is another's, and gives nothing any more

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

-- Consents stand in a history as well, under `!<purpose>/<channel>`: when one was last revoked, granted and confirmed
-- (0: never). Whether the one of that name allows what needs a level (0: not revoked, 1: granted, 2: confirmed). As
-- `allows` of consent.py.
local function allows(history, level, name)
  local revoked, granted, confirmed = unpack(history[name] or {0, 0, 0})
  if level == '0' and revoked == 0 then return true end
  return granted > revoked and (level ~= '2' or confirmed > revoked)
end

-- Whether the consents allow all that `needs` asks for: level and name of each, with blanks between.
local function consented(history, needs)
  for level, name in string.gmatch(needs, '(%d)(%S+)') do
    if not allows(history, level, name) then return false end
  end
  return true
end

-- The names of those that do not.
local function missing(history, needs)
  local names = {}
  for level, name in string.gmatch(needs, '(%d)(%S+)') do
    if not allows(history, level, name) then names[#names + 1] = name end
  end
  return names
end

-- Whether there is room for a consent of that name, which may be there.
local function has_room(history, name)
  if history[name] then return true end
  local names = 0
  for known in pairs(history) do
    if string.sub(known, 1, 1) == '!' then names = names + 1 end
  end
  return names < MOST_CONSENTS
end

-- What was requested stands under the name of the consent and a plus sign. Once it is confirmed it is granted. As
-- `with_request` of consent.py; `name` is that of either.
local function grant_requested(history, name)
  local base = string.gsub(name, '%+$$', '')
  local times, requested = history[base], history[base .. '+']
  if times and requested then times[2] = math.max(times[2], math.min(requested[2], times[3])) end
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

-- The offer that fills each slot: of the candidates from `first` to `last` whose cap allows it the one with the
-- lowest place in that slot; and the offers that are kept back because consent is missing. A candidate's places stand
-- behind its `FIELDS` other arguments.
local function fill(history, args, first, last, slots, at)
  local offers, places, without = {}, {}, {}
  for c = first, last, FIELDS + slots do
    if not consented(history, args[c + 7]) then
      if without[#without] ~= args[c] then without[#without + 1] = args[c] end
    elseif allowed(history, args[c], tonumber(args[c + 1]), tonumber(args[c + 2]), at) then
      for slot = 1, slots do
        local place = tonumber(args[c + FIELDS - 1 + slot])
        if place > 0 and (not places[slot] or place < places[slot]) then
          offers[slot], places[slot] = args[c], place
        end
      end
    end
  end
  return offers, without
end

-- Whether candidate `c` is for the very slots, one or more, that its offer fills.
local function fits(args, c, slots, offers)
  local any = false
  for slot = 1, slots do
    local fills = offers[slot] == args[c]
    if fills ~= (tonumber(args[c + FIELDS - 1 + slot]) > 0) then return false end
    any = any or fills
  end
  return any
end

-- Note that a record is the customer's: by days, so that lists end by themselves.
local function note_record(tag, customer, decision)
  local own = tag .. 'j:' .. math.floor(redis.call('TIME')[1] / DAY_S) .. ':' .. customer
  redis.call('RPUSH', own, decision)
  redis.call('EXPIRE', own, 2 * DAY_S)
end

-- Keep the record of a decision or cue for a day.
local function keep_record(tag, customer, decision, record)
  redis.call('SET', tag .. 'd:' .. decision, record, 'EX', DAY_S)
  note_record(tag, customer, decision)
end

local function write_cue(keys, tag, customer, decision, payload, record, length)
  local id = redis.call('XADD', keys[1], 'MAXLEN', '~', length, '*', 'customer', customer, 'cue', payload)
  local cue = id .. ' ' .. payload
  local recent = tag .. 'r:' .. customer
  redis.call('LPUSH', recent, cue)
  redis.call('LTRIM', recent, 0, RECENT_CUES - 1)
  redis.call('EXPIRE', recent, DAY_S)
  redis.call('SPUBLISH', keys[1], cue)
  if record ~= '' then keep_record(tag, customer, decision, record) end
end

-- The record with the offers that consent kept back, and the consents for want of which no cue was sent, in place of
-- its last two fields, which are empty arrays.
local function with_reason(record, without, names)
  if record == '' or #without == 0 then return record end
  return string.sub(record, 1, -3) .. cmsgpack.pack(without) .. cmsgpack.pack(names)
end

-- Keep for a day that the first candidate that lacks consent was withheld, and for want of what; the record of an offer
-- that is there is left, so that a customer has at most one of each. As `withheld_id` of keys.py.
local function keep_withheld(tag, args, customer, history, slots, first, last, without)
  for c = first, last, FIELDS + slots do
    if not consented(history, args[c + 7]) then
      if args[c + 6] == '' then return end
      local record = with_reason(args[c + 6], without, missing(history, args[c + 7]))
      local digest = string.sub(redis.sha1hex(customer .. '\0' .. args[c]), 1, 16)
      local name = string.match(tag, '%d+') .. '-' .. WITHHELD .. '-' .. digest
      if redis.call('SET', tag .. 'd:' .. name, record, 'EX', DAY_S, 'NX') then note_record(tag, customer, name) end
      return
    end
  end
end

-- Take the candidates that fill the slots and write their cues; returns their positions, from 0, and how many offers
-- consent kept back. If none is written and consent kept some back, that is recorded.
local function write_choice(keys, tag, args, customer, at, slots, first, last)
  local key = tag .. 'h:' .. customer
  local history = load_history(key)
  settle(history, at)
  local offers, without = fill(history, args, first, last, slots, at)
  local written = {}
  for c = first, last, FIELDS + slots do
    if fits(args, c, slots, offers) and consented(history, args[c + 7])
        and take(history, args[c], tonumber(args[c + 1]), tonumber(args[c + 2]), at, tonumber(args[c + 3])) then
      write_cue(keys, tag, customer, args[c + 4], args[c + 5], with_reason(args[c + 6], without, {}), args[1])
      written[#written + 1] = (c - first) / (FIELDS + slots)
    end
  end
  if #written > 0 then
    save_history(key, history)
  elseif #without > 0 then
    keep_withheld(tag, args, customer, history, slots, first, last, without)
  end
  return written, #without
end

-- KEYS: cue stream, tallies. ARGV: stream length, then of each choice: customer, at, number of slots, number of
-- candidates, and of each candidate: offer, max, period, when its cue ends if a stream must take it (else 0), decision,
-- payload, record, the consents that it needs, and its place in each slot (0: not for it). Returns of each choice the
-- candidates written, from 0: none where caps allowed none, and -1 alone where consent kept offers back, too.
local function cues(keys, args)
  local tag = string.sub(keys[1], 1, -2)
  local answers, sent, capped, unconsented, arg = {}, 0, 0, 0, 2
  while arg <= #args do
    local at, slots, first = tonumber(args[arg + 1]), tonumber(args[arg + 2]), arg + 4
    local last = arg + 3 + (FIELDS + slots) * tonumber(args[arg + 3])
    local written, without = write_choice(keys, tag, args, args[arg], at, slots, first, last)
    sent, arg = sent + #written, last + 1
    if #written == 0 and without > 0 then
      written, unconsented = {-1}, unconsented + 1
    elseif #written == 0 then
      capped = capped + 1
    end
    answers[#answers + 1] = written
  end
  if sent > 0 then count(keys[2], 'cues', sent) end
  if capped > 0 then count(keys[2], 'cues_capped', capped) end
  if unconsented > 0 then count(keys[2], 'cues_unconsented', unconsented) end
  return answers
end

-- How often each of `times` is among them that lies after `erased`.
local function counted(times, erased)
  local found = {}
  for _, at in ipairs(times) do
    if at > erased then found[at] = (found[at] or 0) + 1 end
  end
  return found
end

-- Add the `times` at which the offer was given to another id of the customer: each as often as either has it.
local function join_given(history, offer, times, erased)
  local given = history[offer] or {}
  local most, known = math.max(HISTORY, #given, #times), counted(given, -1)
  for at, number in pairs(counted(times, erased)) do
    for _ = (known[at] or 0) + 1, number do given[#given + 1] = at end
  end
  table.sort(given)
  while #given > most do forget_open(history, offer, table.remove(given, 1)) end
  history[offer] = #given > 0 and given or nil
end

-- Add the newest times of a consent that another id of the customer stated.
local function join_consent(history, name, times, erased)
  local known, any = history[name] or {0, 0, 0}, false
  for i = 1, 3 do
    if times[i] > known[i] and times[i] > erased then known[i], any = times[i], true end
  end
  if any and has_room(history, name) then
    history[name] = known
    grant_requested(history, name)
  end
end

-- Add to a history that of another id of the customer. What it has of cues that no stream has taken stays given.
local function join_history(history, other, erased)
  for name, times in pairs(other) do
    if string.sub(name, 1, 1) == '!' then
      join_consent(history, name, times, erased)
    elseif name ~= FROZEN and string.sub(name, -1) ~= '?' then
      join_given(history, name, times, erased)
    end
  end
end

-- Take each of the candidates from `first` to `last` in `args` whose cap and consents allow it: a digit each, 1; 0 where
-- the cap refused it, 2 where consent is missing. `seen` is the history with what was brought of another id, which
-- counts here and is not kept: it comes by mail, whose place in the log says from where on it counts for cues.
local function take_each(key, history, seen, args, first, last, at)
  local taken, any = '', false
  settle(history, at)
  settle(seen, at)
  for c = first, last, 4 do
    local digit = '2'
    if consented(seen, args[c + 3]) then
      local offer, max = args[c], tonumber(args[c + 1])
      local allowed = take(seen, offer, max, tonumber(args[c + 2]), at, 0)
      if allowed and seen ~= history then take(history, offer, max, 0, at, 0) end
      digit = allowed and '1' or '0'
      any = any or allowed
    end
    taken = taken .. digit
  end
  if any then save_history(key, history) end
  return taken
end

-- Until when what happened to the customer counts no more, whose digest that is (or digests, with blanks between, where
-- one of before may be remembered): 0 for who was not erased.
local function erased_until(tag, digests)
  local at = 0
  for digest in string.gmatch(digests, '%S+') do
    at = math.max(at, tonumber(redis.call('HGET', tag .. 'e', digest)) or 0)
  end
  return at
end

-- KEYS: history and decision key of each reservation.
-- ARGV: of each: at, record, the customer's digest, when the row's newest event happened (0: no row), the history of
-- another of the customer's ids ('': none), number of candidates, and of each candidate: offer, max, period, consents
-- that it needs.
-- Returns a string for each reservation, one digit a candidate. Of a customer who was erased since the row was read
-- nothing is written, and each digit is 3: whatever lies in a row happened before its erasure or after it. Of a
-- customer who is another's by now nothing is written either, and each digit is 4.
local function reserve(keys, args)
  local answers, arg = {}, 1
  for i = 1, #keys, 2 do
    local at, row_at = tonumber(args[arg]), tonumber(args[arg + 3])
    local first, wanted = arg + 6, tonumber(args[arg + 5])
    local tag, customer = string.match(keys[i], '^(.-)h:(.*)$$')
    local erased = erased_until(tag, args[arg + 2])
    local history = wanted > 0 and load_history(keys[i]) or {}
    if at <= erased or row_at > 0 and row_at <= erased then
      answers[#answers + 1] = string.rep('3', wanted)
    elseif history[FROZEN] then
      answers[#answers + 1] = string.rep('4', wanted)
    else
      local seen, last = history, first + 4 * wanted - 1
      if wanted > 0 and args[arg + 4] ~= '' then
        seen = load_history(keys[i])
        join_history(seen, cmsgpack.unpack(args[arg + 4]), erased)
      end
      keep_record(tag, customer, string.sub(keys[i + 1], #tag + 3), args[arg + 1])
      answers[#answers + 1] = wanted > 0 and take_each(keys[i], history, seen, args, first, last, at) or ''
    end
    arg = first + 4 * wanted
  end
  return answers
end

-- KEYS: a history of each cue that a stream took. ARGV: of each its offer, and when it was given.
-- Returns how many had not been taken before.
local function taken(keys, args)
  local new = 0
  for i, key in ipairs(keys) do
    local history = load_history(key)
    if forget_open(history, args[2 * i - 1], tonumber(args[2 * i])) then
      save_history(key, history)
      new = new + 1
    end
  end
  return new
end

-- KEYS: a history of each statement. ARGV: of each the consent's name, which of its times (1: revoked, 2: granted,
-- 3: confirmed), when it was stated, and the customer's digests. The newest time is kept, so order and repeats do no
-- harm; what was stated before an erasure is not. Returns how many changed something.
local function consent(keys, args)
  local changed = 0
  for i, key in ipairs(keys) do
    local name, which, at = args[4 * i - 3], tonumber(args[4 * i - 2]), tonumber(args[4 * i - 1])
    local history = load_history(key)
    local times = history[name] or {0, 0, 0}
    if times[which] < at and has_room(history, name)
        and at > erased_until(string.match(key, '^(.-)h:'), args[4 * i]) then
      times[which] = at
      history[name] = times
      grant_requested(history, name)
      save_history(key, history)
      changed = changed + 1
    end
  end
  return changed
end

-- Say in the cue stream that the customer's cues are another's, or their own again.
local function move_stream(key, length)
  local tag, customer = string.match(key, '^(.-)h:(.*)$$')
  local id = redis.call('XADD', tag .. 'q', 'MAXLEN', '~', length, '*', 'customer', customer, 'moved', '1')
  redis.call('SPUBLISH', tag .. 'q', id .. ' > ' .. customer)
end

-- KEYS: histories. ARGV: the cue stream's length, then of each what is to be done (1: freeze it, 0: thaw it, +: add
-- another one), that other one, and the customer's digests. Repeats change nothing.
local function turn(keys, args)
  for i, key in ipairs(keys) do
    local history, what = load_history(key), args[3 * i - 1]
    if what == '+' then
      join_history(history, cmsgpack.unpack(args[3 * i]), erased_until(string.match(key, '^(.-)h:'), args[3 * i + 1]))
    elseif (history[FROZEN] ~= nil) ~= (what == '1') then
      history[FROZEN] = what == '1' and {1} or nil
      move_stream(key, args[1])
    end
    if next(history) then save_history(key, history) else redis.call('UNLINK', key) end
  end
  return #keys
end

-- KEYS: the tombstones. ARGV: a customer, its digest, until when what happened counts no more, and the ids of its cues
-- in the stream. Nothing of it is left.
local function erase(keys, args)
  local tag, customer = string.sub(keys[1], 1, -2), args[1]
  local today = math.floor(redis.call('TIME')[1] / DAY_S)
  for day = today - 2, today do
    local own = tag .. 'j:' .. day .. ':' .. customer
    for _, decision in ipairs(redis.call('LRANGE', own, 0, -1)) do
      redis.call('UNLINK', tag .. 'd:' .. decision, tag .. 'l:' .. decision)
    end
    redis.call('UNLINK', own)
  end
  for _, kind in ipairs({'c:', 'h:', 'p:', 'r:', 'b:', 'u:'}) do redis.call('UNLINK', tag .. kind .. customer) end
  local month = 1970 * 12 + math.floor(today / 30.436875) -- of the links that were counted, give or take one
  for counted = month - 4, month + 2 do
    redis.call('UNLINK', tag .. 'i:' .. counted .. ':s:' .. customer, tag .. 'i:' .. counted .. ':u:' .. customer)
  end
  redis.call('ZREM', tag .. 't', customer)
  for i = 4, #args do redis.call('XDEL', tag .. 'q', args[i]) end
  local before = tonumber(redis.call('HGET', keys[1], args[2])) or 0
  redis.call('HSET', keys[1], args[2], string.format('%.0f', math.max(before, tonumber(args[3]))))
  return 1
end

-- Add `by` to a learned count, and to what the key `ledger` taught in that hour ('': nobody is held to it).
local function teach(learned, ledger, hour, field, by)
  if not count(learned, field, by) or ledger == '' then return end
  count(ledger, hour .. '|' .. field, by)
  redis.call('EXPIRE', ledger, KEPT_S)
end

-- Take back the failure of an arm that was counted for this decision, wherever it was counted.
local function withdraw_failure(outcomes, learned, arm)
  local prefix = arm .. '|f>'
  for _, member in ipairs(redis.call('SMEMBERS', outcomes)) do
    if string.sub(member, 1, #prefix) == prefix then
      local field, hour, ledger = string.match(string.sub(member, #prefix + 1), '^(%a+)|(-?%d+)|(.*)$$')
      if field then return teach(learned, ledger, hour, arm .. '|' .. field, -1) end
    end
  end
  count(learned, arm .. '|f', -1) -- counted by a release that did not note where
end

-- Count the result of an offer of a decision once: a success is final, and replaces a failure counted before. `class`
-- is 'u' for a reporter whom nobody knows.
local function count_result(outcomes, learned, ledger, hour, arm, class, result)
  if redis.call('SISMEMBER', outcomes, arm .. '|s') == 1 then return end
  if redis.call('SADD', outcomes, arm .. '|' .. result) == 0 then return end
  teach(learned, ledger, hour, arm .. '|' .. class .. result, 1)
  if result == 'f' then
    redis.call('SADD', outcomes, arm .. '|f>' .. class .. 'f|' .. hour .. '|' .. ledger)
  elseif redis.call('SISMEMBER', outcomes, arm .. '|f') == 1 then
    withdraw_failure(outcomes, learned, arm)
  end
  if not count(learned, 'version', 1) then redis.call('HSET', learned, 'version', 1) end
end

-- KEYS: decision, its counted outcomes, learned counts, and what the key taught (or no fourth). ARGV: offer|outcome,
-- offer|channel, s, f or '', class, and the hour.
local function learn(keys, args)
  if redis.call('EXISTS', keys[1]) == 0 then return 0 end
  local new = redis.call('SADD', keys[2], args[1])
  redis.call('EXPIRE', keys[2], DAY_S)
  if args[3] ~= '' then -- new or not: who reported it first may not have been one who teaches
    count_result(keys[2], keys[3], keys[4] or '', args[5], args[2], args[4], args[3])
  end
  return new
end

-- KEYS: words, those of before, and since when the former are written.
-- ARGV: how many there may be, then of each word: hash, word. A hash that two words have has none, for good.
local function name(keys, args)
  for arg = 2, #args, 2 do
    local word = args[arg + 1]
    local known = redis.call('HGET', keys[1], args[arg]) or redis.call('HGET', keys[2], args[arg])
    if known and known ~= word then word = '' end
    redis.call('HSET', keys[1], args[arg], word)
  end
  local full = redis.call('HLEN', keys[1]) >= tonumber(args[1])
  if full then
    redis.call('UNLINK', keys[2])
    redis.call('RENAME', keys[1], keys[2])
  end
  if full or redis.call('EXISTS', keys[3]) == 0 then
    redis.call('SET', keys[3], table.concat(redis.call('TIME'), '.'))
  end
  return 0
end

-- KEYS: lessons of the hour. ARGV: arm, address, most of all, most of the address, seconds to keep them. Counts one
-- more; 0 when there are too many. Addresses are counted only while there is room, so the hash is bounded.
local function admit_lesson(keys, args)
  local all, own = args[1], args[1] .. '|' .. args[2]
  if (tonumber(redis.call('HGET', keys[1], all)) or 0) >= tonumber(args[3]) then return 0 end
  if (tonumber(redis.call('HGET', keys[1], own)) or 0) >= tonumber(args[4]) then return 0 end
  count(keys[1], all, 1)
  count(keys[1], own, 1)
  redis.call('EXPIRE', keys[1], args[5])
  return 1
end

-- KEYS: what a key taught on a day, learned counts. ARGV: the first hour, and 1 to take it back. Returns the fields
-- and how much of each.
local function forget(keys, args)
  local taught, answer = redis.call('HGETALL', keys[1]), {}
  for i = 1, #taught, 2 do
    local hour, field = string.match(taught[i], '^(%d+)|(.*)$$')
    local lessons = tonumber(taught[i + 1])
    if hour and lessons and tonumber(hour) >= tonumber(args[1]) then
      answer[#answer + 1], answer[#answer + 2] = field, lessons
      if args[2] == '1' then
        redis.call('HDEL', keys[1], taught[i])
        local held = tonumber(redis.call('HGET', keys[2], field)) or 0
        count(keys[2], field, -math.min(lessons, held))
      end
    end
  end
  if #answer > 0 and args[2] == '1' then
    if not count(keys[2], 'version', 1) then redis.call('HSET', keys[2], 'version', 1) end
  end
  return answer
end

-- KEYS: what keys spent on a day. ARGV: a process, the number of its settlement, seconds to keep them, and of each key
-- its id and how much. A settlement counts once, however often it comes. Returns what each key has spent in all.
local function spend(keys, args)
  local place, number, answer = '~' .. args[1], tonumber(args[2]), {}
  local counted = tonumber(redis.call('HGET', keys[1], place)) or 0
  if counted < number then count(keys[1], place, number - counted) end
  for arg = 4, #args, 2 do
    if counted < number then count(keys[1], args[arg], args[arg + 1]) end
    answer[#answer + 1] = tonumber(redis.call('HGET', keys[1], args[arg])) or 0
  end
  redis.call('EXPIRE', keys[1], args[3])
  return answer
end

-- Let the names with the least words go, until no more than MOST_TRAITS are left.
local function forget_traits(key)
  local kept, names = redis.call('HGETALL', key), {}
  for i = 1, #kept, 2 do
    local word = kept[i + 1]
    names[#names + 1] = {string.sub(word, 1, MARK) .. string.sub(word, ORDER + 1, ORDER + PLACE), kept[i]}
  end
  table.sort(names, function(one, other) return one[1] < other[1] end)
  for i = 1, #names - MOST_TRAITS do redis.call('HDEL', key, names[i][2]) end
end

-- KEYS: the traits of each customer. ARGV: of each how many words, and of each word the name and what is kept.
-- Of one name the greatest word stays, so neither order nor repetition changes anything.
local function traits(keys, args)
  local arg = 1
  for _, key in ipairs(keys) do
    local last = arg + 2 * tonumber(args[arg])
    for i = arg + 1, last, 2 do
      local known = redis.call('HGET', key, args[i])
      if not known or string.sub(args[i + 1], 1, ORDER) > string.sub(known, 1, ORDER) then
        redis.call('HSET', key, args[i], args[i + 1])
      end
    end
    if redis.call('HLEN', key) > MOST_TRAITS then forget_traits(key) end
    arg = last + 1
  end
  return 0
end

-- Let the agents go that were last heard of before `oldest`, and the oldest of those who are still too many.
local function forget_agents(key, oldest)
  local kept, left = redis.call('HGETALL', key), {}
  for i = 1, #kept, 2 do
    if string.sub(kept[i + 1], 1, TIME) < oldest then
      redis.call('HDEL', key, kept[i])
    else
      left[#left + 1] = {string.sub(kept[i + 1], 1, AGENT_ORDER), kept[i]}
    end
  end
  if #left <= MOST_AGENTS then return end
  table.sort(left, function(one, other) return one[1] < other[1] end)
  for i = 1, #left - math.floor(MOST_AGENTS * 9 / 10) do redis.call('HDEL', key, left[i][2]) end
end

-- KEYS: the agents. ARGV: the beginning of the order of what is too old, how long all is kept (s), and of each
-- agent the name and what is kept. The greatest stays, so neither order nor repetition changes anything.
local function agents(keys, args)
  for i = 3, #args, 2 do
    local known = redis.call('HGET', keys[1], args[i])
    local order = string.sub(args[i + 1], 1, AGENT_ORDER)
    if string.sub(order, 1, TIME) >= args[1] and (not known or order > string.sub(known, 1, AGENT_ORDER)) then
      redis.call('HSET', keys[1], args[i], args[i + 1])
    end
  end
  if redis.call('HLEN', keys[1]) > MOST_AGENTS then forget_agents(keys[1], args[1]) end
  redis.call('EXPIRE', keys[1], args[2])
  return 0
end

redis.register_function('${LIBRARY}_cues', cues)
redis.register_function('${LIBRARY}_reserve', reserve)
redis.register_function('${LIBRARY}_taken', taken)
redis.register_function('${LIBRARY}_consent', consent)
redis.register_function('${LIBRARY}_turn', turn)
redis.register_function('${LIBRARY}_erase', erase)
redis.register_function('${LIBRARY}_learn', learn)
redis.register_function('${LIBRARY}_name', name)
redis.register_function('${LIBRARY}_admit_lesson', admit_lesson)
redis.register_function('${LIBRARY}_forget', forget)
redis.register_function('${LIBRARY}_spend', spend)
redis.register_function('${LIBRARY}_traits', traits)
redis.register_function('${LIBRARY}_agents', agents)
