-- wrk's side of a booking load: POST /v1/bookings with a token, an Idempotency-Key that no request had before, and an
-- inventory. Everything that repeats is put together once; a request costs the joining of three strings.
--
-- wrk [options] -s bookings.lua URL -- FILE RUN
--   FILE  a word and a value per line: `token T` and `inventory I`; requests take them in turn
--   RUN   begins every key, so that two runs never share one
--
-- Answers are not looked at here (it would cost more than the request): wrk counts those of 400 and above, and the
-- driver compares what was answered with what is stored.

local threads = 0

function setup(thread)
   thread:set("thread_number", threads)
   threads = threads + 1
end

function init(args)
   local tokens, inventories = {}, {}
   for line in io.lines(args[1]) do
      local word, value = line:match("^(%S+) (%S+)$")
      if word == "token" then tokens[#tokens + 1] = value end
      if word == "inventory" then inventories[#inventories + 1] = value end
   end
   heads, tails = {}, {}
   for i, inventory in ipairs(inventories) do
      tails[i] = '\r\n\r\n{"inventory_id":"' .. inventory .. '","quantity":1}'
   end
   for i, token in ipairs(tokens) do
      heads[i] = "POST /v1/bookings HTTP/1.1\r\nHost: " .. wrk.host .. ":" .. wrk.port ..
         "\r\nContent-Type: application/json\r\nContent-Length: " .. (#tails[1] - 4) ..
         "\r\nAuthorization: Bearer " .. token .. "\r\nIdempotency-Key: " .. args[2] .. "-" .. thread_number .. "-"
   end
   count = 0
end

function request()
   count = count + 1
   return heads[count % #heads + 1] .. count .. tails[count % #tails + 1]
end
