// The host functions of proxy-wasm ABI 0.2.1 that the plugin uses, as the host names them. A
// declaration without a body is an import whose module is the name of its file: "env".
//
// Every function returns a status (codes.ts). Out parameters are addresses in linear memory, and
// are written only when the status is STATUS_OK. A returned buffer was allocated with the plugin's
// `malloc`, and the plugin releases it (memory.ts); its address is 0 when it has no bytes.

/** Writes a line to Envoy's log; the message is bytes without an end mark. */
export declare function proxy_log(level: u32, message: usize, messageSize: usize): u32;

/** Writes nanoseconds since 1970 (u64) at outTime. */
export declare function proxy_get_current_time_nanoseconds(outTime: usize): u32;

/** Returns a property of the present context. STATUS_NOT_FOUND when it is absent. */
export declare function proxy_get_property(
  path: usize,
  pathSize: usize,
  outValue: usize,
  outValueSize: usize,
): u32;

/** Calls a function of Envoy's own by its name; result addresses of 0 take no result. */
export declare function proxy_call_foreign_function(
  name: usize,
  nameSize: usize,
  argument: usize,
  argumentSize: usize,
  outResult: usize,
  outResultSize: usize,
): u32;

/** Returns the value and its compare-and-set number, which changes with every write of the key. */
export declare function proxy_get_shared_data(
  key: usize,
  keySize: usize,
  outValue: usize,
  outValueSize: usize,
  outCas: usize,
): u32;

/** With a cas other than 0, writes only if the key is absent or its number is cas. */
export declare function proxy_set_shared_data(
  key: usize,
  keySize: usize,
  value: usize,
  valueSize: usize,
  cas: u32,
): u32;

/** Defines a metric, or finds the one that has this name, and writes its number at outMetric. */
export declare function proxy_define_metric(
  type: u32,
  name: usize,
  nameSize: usize,
  outMetric: usize,
): u32;

/** Adds to a counter that was defined. */
export declare function proxy_increment_metric(metric: u32, by: i64): u32;

/** Returns bytes of a buffer, fewer than `size` where it ends earlier. `start` counts from 0. */
export declare function proxy_get_buffer_bytes(
  buffer: u32,
  start: u32,
  size: u32,
  outBytes: usize,
  outSize: usize,
): u32;

/** Returns a header's value. STATUS_NOT_FOUND when it is absent or empty. */
export declare function proxy_get_header_map_value(
  map: u32,
  name: usize,
  nameSize: usize,
  outValue: usize,
  outValueSize: usize,
): u32;

/** Answers the present HTTP request; details and headers may have size 0. Once per request. */
export declare function proxy_send_local_response(
  statusCode: u32,
  details: usize,
  detailsSize: usize,
  body: usize,
  bodySize: usize,
  headers: usize,
  headersSize: usize,
  grpcStatus: i32,
): u32;

/** For the root context of the present context; 0 ends its ticks. */
export declare function proxy_set_tick_period_milliseconds(milliseconds: u32): u32;

/**
 * Makes another context the present one until the callback returns; only its own functions mean
 * it. Any status but STATUS_OK: it has ended.
 */
export declare function proxy_set_effective_context(context: u32): u32;

/** Closes the present context's connection, on the side that `stream` names. */
export declare function proxy_close_stream(stream: u32): u32;
