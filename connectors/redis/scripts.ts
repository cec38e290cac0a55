/**
 * What runs inside Redis: the guards, so that writes are atomic against each other and one round trip is enough.
 *
 * Each script touches keys of one shard only (their names carry the shard's number in braces), as a cluster asks.
 * A blob begins with its epoch, offset and expiry (see `encodeBlob`), so that a guard reads twenty bytes of it
 * rather than parsing it.
 */
import { createHash } from 'node:crypto';

export interface Script {
  readonly lua: string;
  readonly sha: string;
}

const script = (lua: string): Script => ({ lua, sha: createHash('sha1').update(lua).digest('hex') });

/**
 * KEYS: the shard's hash, its sorted set. ARGV: now (ms), then five for each user: key, epoch, offset, blob,
 * last_seen. An empty blob erases; a blob with an expiry is a fill.
 */
export const writeStates = script(`
local now = tonumber(ARGV[1])
local CHUNK = 1000
for first = 2, #ARGV, 5 * CHUNK do
  local last = math.min(first + 5 * CHUNK - 1, #ARGV)
  local fields = {}
  for i = first, last, 5 do fields[#fields + 1] = ARGV[i] end
  local held = redis.call('HMGET', KEYS[1], unpack(fields))
  for i = first, last, 5 do
    local epoch, offset, blob = tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2]), ARGV[i + 3]
    local old = held[(i - first) / 5 + 1]
    local order, expiry = 1, nil -- order: 1 newer than what is there, 0 as new, -1 older
    if old then
      local e, o = string.match(old, '^{"epoch":(%d+),"offset":(%d+)')
      e, o = tonumber(e), tonumber(o)
      expiry = tonumber(string.match(old, '^{"epoch":%d+,"offset":%d+,"expires_at":(%d+)'))
      if e == nil or epoch > e or (epoch == e and offset > o) then order = 1
      elseif epoch == e and offset == o then order = 0
      else order = -1 end
    end
    if blob == '' then
      if old and order >= 0 then
        redis.call('HDEL', KEYS[1], ARGV[i])
        redis.call('ZREM', KEYS[2], ARGV[i])
      end
    else
      local fill = string.match(blob, '^{"epoch":%d+,"offset":%d+,"expires_at"') ~= nil
      if order == 1 or (order == 0 and expiry and (not fill or expiry <= now)) then
        redis.call('HSET', KEYS[1], ARGV[i], blob)
        redis.call('ZADD', KEYS[2], ARGV[i + 4], ARGV[i])
      end
    end
  end
end
return 0
`);

/**
 * KEYS: the progress hash. ARGV: five for each partition: partition, from, epoch, offset, record as JSON.
 * Answers the gaps as a flat list: partition, offset. The rule is connectors/progress.ts.
 */
export const moveProgress = script(`
local gaps = {}
for i = 1, #ARGV, 5 do
  local from, epoch, offset = tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2]), tonumber(ARGV[i + 3])
  local old = redis.call('HGET', KEYS[1], ARGV[i])
  local e, o = nil, nil
  if old then
    e, o = string.match(old, '^{"epoch":(%d+),"offset":(%d+)')
    e, o = tonumber(e), tonumber(o)
  end
  if from > 0 and (o == nil or o < from) then
    gaps[#gaps + 1] = tonumber(ARGV[i])
    gaps[#gaps + 1] = o or 0
  elseif o == nil or epoch > e or (epoch == e and offset > o) then
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 4])
  end
end
return gaps
`);
