-- The end of every script of wrk.

-- One line for the driver; times in microseconds. `failed` are connections that broke and answers that never came.
function done(summary, latency)
   local errors = summary.errors
   io.write(string.format(
      'FIGURES {"answered":%d,"microseconds":%d,"refused":%d,"failed":%d,"p50":%d,"p99":%d,"max":%d}\n',
      summary.requests, summary.duration, errors.status,
      errors.connect + errors.read + errors.write + errors.timeout,
      latency:percentile(50), latency:percentile(99), latency.max))
end
