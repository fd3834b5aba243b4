// Tells Envoy where the connection goes: filter state, set through the foreign function
// set_envoy_filter_state. Its argument is the protobuf message
// envoy.source.extensions.common.wasm.SetEnvoyFilterStateArguments: 1 path, 2 value, 3 span.

import { STATUS_OK } from "../abi/codes";
import { proxy_call_foreign_function } from "../abi/env";
import { allocate } from "../abi/memory";
import { ADDRESS_TEXT_BYTES, writeAddress } from "./address";
import { lastingAscii } from "./text";

const FUNCTION = "set_envoy_filter_state";
const functionName: usize = lastingAscii(FUNCTION);
/** The ORIGINAL_DST cluster takes the upstream address from here. */
const PATH = "envoy.network.transport_socket.original_dst_address";
const SPAN_CONNECTION: u8 = 2;

//    0      1      2              n+2    n+3    n+4    n+5    n+6
//   +------+------+--------------+------+------+------+------+-------------------+
//   | 0x0a | n    | path (n)     | 0x18 | span | 0x12 | size | value: the address|
//   +------+------+--------------+------+------+------+------+-------------------+
const valueOffset: u32 = PATH.length + 6;
const argument: usize = prepareArgument();

/** All but the value, which stands last so that a connection writes only that. */
function prepareArgument(): usize {
  const bytes = allocate(valueOffset + ADDRESS_TEXT_BYTES);
  store<u8>(bytes, 0x0a);
  store<u8>(bytes + 1, <u8>PATH.length);
  for (let i = 0; i < PATH.length; i++) store<u8>(bytes + 2 + i, <u8>PATH.charCodeAt(i));
  store<u8>(bytes + valueOffset - 4, 0x18);
  store<u8>(bytes + valueOffset - 3, SPAN_CONNECTION);
  store<u8>(bytes + valueOffset - 2, 0x12);
  return bytes;
}

/** False when the host refuses; then the connection must not go on to the cluster. */
export function setOriginalDestination(family: u32, address: usize, port: u32): bool {
  const size = writeAddress(family, address, port, argument + valueOffset);
  store<u8>(argument + valueOffset - 1, <u8>size);
  const nameSize = FUNCTION.length;
  const argumentSize = valueOffset + size;
  // Result addresses of 0: the function answers nothing, and the host writes nothing.
  return (
    proxy_call_foreign_function(functionName, nameSize, argument, argumentSize, 0, 0) === STATUS_OK
  );
}
