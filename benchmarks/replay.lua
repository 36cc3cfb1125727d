-- wrk: replays requests from a file, over and over.
-- Arguments: FILE, then any of
--   rate=N   N requests a second in all (else as fast as answers come)
--   cache=1  count the answers' X-Cache header
-- FILE: frames of a line `METHOD PATH CONTENT-TYPE BYTES` and as many bytes of body.
-- Prints one line of JSON at the end.
local ffi = require('ffi')
ffi.cdef [[
typedef struct { long s; long ns; } bench_time;
int clock_gettime(int, bench_time *);
]]
local clock = ffi.new('bench_time')
local function now_ms()
  ffi.C.clock_gettime(1, clock)
  return tonumber(clock.s) * 1000 + tonumber(clock.ns) / 1e6
end

local threads = {}
function setup(thread)
  thread:set('number', #threads)
  table.insert(threads, thread)
end

local requests, position = {}, 0
hits, misses, bypassed, refused = 0, 0, 0, ''

local function read(path)
  local file = assert(io.open(path, 'rb'))
  while true do
    local line = file:read('*l')
    if not line then break end
    local method, target, kind, size = line:match('^(%S+) (%S+) (%S+) (%d+)$')
    local body = tonumber(size) > 0 and file:read(tonumber(size)) or nil
    local headers = { Host = wrk.headers.Host, Authorization = wrk.headers.Authorization }
    if body then headers['Content-Type'] = kind end
    requests[#requests + 1] = wrk.format(method, target, headers, body)
  end
  file:close()
end

function init(args)
  read(args[1])
  local options = {}
  for i = 2, #args do
    local name, value = args[i]:match('^(%w+)=(.+)$')
    options[name] = tonumber(value)
  end
  position = math.floor(number * #requests / 2)
  if options.rate then
    local gap, due = 1000 / options.rate, now_ms()
    function delay()
      due = due + gap
      local left = due - now_ms()
      return left > 0 and math.floor(left + 0.5) or 0
    end
  end
  if options.cache then
    function response(status, headers)
      local verdict = headers['x-cache'] or headers['X-Cache']
      if verdict == 'HIT' then hits = hits + 1
      elseif verdict == 'MISS' then misses = misses + 1
      else bypassed = bypassed + 1 end
    end
  end
end

function request()
  position = position % #requests + 1
  return requests[position]
end

function done(summary, latency)
  local h, m, b = 0, 0, 0
  for _, thread in ipairs(threads) do
    h, m, b = h + thread:get('hits'), m + thread:get('misses'), b + thread:get('bypassed')
  end
  local e = summary.errors
  io.write(string.format(
    '\nresult {"requests":%d,"micros":%d,"refused":%d,"broken":%d,"p50_us":%d,"p99_us":%d,' ..
    '"max_us":%d,"hits":%d,"misses":%d,"bypassed":%d}\n',
    summary.requests, summary.duration, e.status, e.connect + e.read + e.write + e.timeout,
    latency:percentile(50), latency:percentile(99), latency.max, h, m, b))
end
