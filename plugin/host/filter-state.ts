// What Envoy should know about the connection: filter state, set through the foreign function
// set_envoy_filter_state. Its argument is the protobuf message
// envoy.source.extensions.common.wasm.SetEnvoyFilterStateArguments: 1 path, 2 value, 3 span.

import { STATUS_OK } from "../abi/codes";
import { proxy_call_foreign_function } from "../abi/env";
import { allocate } from "../abi/memory";
import { ADDRESS_TEXT_BYTES, writeAddress } from "./address";
import { lastingAscii, writeAscii } from "./text";

const FUNCTION = "set_envoy_filter_state";
const functionName: usize = lastingAscii(FUNCTION);
/** The ORIGINAL_DST cluster takes the upstream address from here. */
const DESTINATION_PATH = "envoy.network.transport_socket.original_dst_address";
/** Any text; Envoy's flow log shows it as the name of the Service. */
const NAME_PATH = "envoy.string";
/** The same, as the name of the limit that refused it. */
const LIMIT_PATH = "envoy.hashable_string";
const SPAN_CONNECTION: u8 = 2;
const MAX_NAME_BYTES: u32 = 255;

//    0      1      2              n+2    n+3    n+4    n+5         n+7
//   +------+------+--------------+------+------+------+-----------+-------------+
//   | 0x0a | n    | path (n)     | 0x18 | span | 0x12 | size      | value       |
//   |      |      |              |      |      |      | (2 bytes) |             |
//   +------+------+--------------+------+------+------+-----------+-------------+
const HEADER_BYTES: u32 = 7;
const destination: usize = prepareArgument(DESTINATION_PATH, ADDRESS_TEXT_BYTES);
let name: usize = 0;
let limit: usize = 0;

/** Prepares everything but the value, which comes last so that a connection writes only that. */
export function prepareArgument(path: string, mostBytes: u32): usize {
  const bytes = allocate(HEADER_BYTES + path.length + mostBytes);
  store<u8>(bytes, 0x0a);
  store<u8>(bytes + 1, <u8>path.length);
  writeAscii(path, bytes + 2);
  const end = bytes + 2 + path.length;
  store<u8>(end, 0x18);
  store<u8>(end + 1, SPAN_CONNECTION);
  store<u8>(end + 2, 0x12);
  return bytes;
}

/** Returns where an argument for this path has its value. */
export function valueIn(argument: usize, path: string): usize {
  return argument + HEADER_BYTES + path.length;
}

/** Sets it to the value of this size in the argument; a varint may have needless bytes. */
export function setFilterState(argument: usize, path: string, size: u32): bool {
  const value = valueIn(argument, path);
  store<u8>(value - 2, <u8>(size | 0x80));
  store<u8>(value - 1, <u8>(size >> 7));
  const argumentSize = <u32>(value - argument) + size;
  const nameSize = FUNCTION.length;
  // Result addresses of 0: the function has no result, and the host writes nothing.
  return (
    proxy_call_foreign_function(functionName, nameSize, argument, argumentSize, 0, 0) === STATUS_OK
  );
}

/** Returns false when the host refuses; then the connection must not reach the cluster. */
export function setOriginalDestination(family: u32, address: usize, port: u32): bool {
  const size = writeAddress(family, address, port, valueIn(destination, DESTINATION_PATH));
  return setFilterState(destination, DESTINATION_PATH, size);
}

/** Sets the name for the flow log; a longer text is cut. */
export function setConnectionName(text: usize, size: u32): void {
  if (name === 0) name = prepareArgument(NAME_PATH, MAX_NAME_BYTES);
  const length = min(size, MAX_NAME_BYTES);
  memory.copy(valueIn(name, NAME_PATH), text, length);
  setFilterState(name, NAME_PATH, length);
}

/** Sets the name of the limit that refused it, for the flow log. */
export function setLimitName(text: string): void {
  if (limit === 0) limit = prepareArgument(LIMIT_PATH, MAX_NAME_BYTES);
  writeAscii(text, valueIn(limit, LIMIT_PATH));
  setFilterState(limit, LIMIT_PATH, text.length);
}
