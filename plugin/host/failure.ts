// Why the last attempt to connect the present connection failed, as Envoy has it: a text such as
// "delayed connect error: Connection refused", which stays once a later attempt succeeds.

import { release, returnedSize } from "../abi/memory";
import { EJECT_REFUSED, EJECT_TIMED_OUT, EJECT_UNREACHABLE } from "../wire/eject-layout";
import { lastingProperty, readProperty } from "./property";

const transportFailure: usize = lastingProperty("upstream\0transport_failure_reason");

/** Anything else: it may be this node's own, such as no free port. */
export const FAILED_OTHERWISE: u32 = 0;

function hasWord(text: usize, size: u32, word: string): bool {
  const length = <u32>word.length;
  for (let at: u32 = 0; at + length <= size; at++) {
    let i: u32 = 0;
    while (i < length && load<u8>(text + at + i) === <u8>word.charCodeAt(i)) i++;
    if (i === length) return true;
  }
  return false;
}

/** Returns EJECT_REFUSED, EJECT_TIMED_OUT, EJECT_UNREACHABLE or FAILED_OTHERWISE. */
export function lastFailure(): u32 {
  const text = readProperty(transportFailure);
  const size = text === 0 ? 0 : returnedSize();
  let reason = FAILED_OTHERWISE;
  if (hasWord(text, size, "refused")) reason = EJECT_REFUSED;
  // Envoy has no text for its own connect_timeout.
  else if (size === 0 || hasWord(text, size, "timed out")) reason = EJECT_TIMED_OUT;
  else if (hasWord(text, size, "unreachable") || hasWord(text, size, "No route")) {
    reason = EJECT_UNREACHABLE;
  }
  release(text);
  return reason;
}
