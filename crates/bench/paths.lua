-- wrk's side of a load of queries: GET of the paths of a list in turn, each put together once.
--
-- wrk [options] -s paths.lua URL -- FILE
--   FILE  a path per line
--
-- Answers are not looked at here (it would cost more than the request): wrk counts those of 400 and above, and the
-- driver has read the answer to every path before.

local threads = 0

function setup(thread)
   thread:set("thread_number", threads)
   threads = threads + 1
end

function init(args)
   requests = {}
   for path in io.lines(args[1]) do
      requests[#requests + 1] = "GET " .. path .. " HTTP/1.1\r\nHost: " .. wrk.host .. ":" .. wrk.port .. "\r\n\r\n"
   end
   -- Threads begin apart, or all of them would ask for the same at the same time.
   count = thread_number * 1009
end

function request()
   count = count + 1
   return requests[count % #requests + 1]
end
