// The host functions of proxy-wasm ABI 0.2.1 that the plugin uses, as the host names them. A
// declaration without a body is an import whose module is the name of its file: "env".
//
// Every function answers a status (codes.ts). Out parameters are addresses in linear memory, and
// are written only when the status is STATUS_OK. A buffer that comes back was allocated through
// our `malloc` and is ours to release (memory.ts); its address is 0 when it has no bytes.

export declare function proxy_log(level: u32, message: usize, messageSize: usize): u32;

export declare function proxy_get_current_time_nanoseconds(outTime: usize): u32;

export declare function proxy_get_property(
  path: usize,
  pathSize: usize,
  outValue: usize,
  outValueSize: usize,
): u32;

export declare function proxy_call_foreign_function(
  name: usize,
  nameSize: usize,
  argument: usize,
  argumentSize: usize,
  outResult: usize,
  outResultSize: usize,
): u32;

/** Answers the value and its compare-and-set number, which changes with every write of the key. */
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

export declare function proxy_define_metric(
  type: u32,
  name: usize,
  nameSize: usize,
  outMetric: usize,
): u32;

export declare function proxy_increment_metric(metric: u32, by: i64): u32;

export declare function proxy_get_buffer_bytes(
  buffer: u32,
  start: u32,
  size: u32,
  outBytes: usize,
  outSize: usize,
): u32;

export declare function proxy_get_header_map_value(
  map: u32,
  name: usize,
  nameSize: usize,
  outValue: usize,
  outValueSize: usize,
): u32;

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

/** Of the root context that the present one belongs to; 0 ends its ticks. */
export declare function proxy_set_tick_period_milliseconds(milliseconds: u32): u32;

export declare function proxy_close_stream(stream: u32): u32;
