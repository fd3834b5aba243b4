// The client of the present connection, as Envoy sees it: its address, without its port.

import { release, returnedSize } from "../abi/memory";
import { KEY_ADDRESS_OFFSET, KEY_BYTES, PROTOCOL_TCP } from "../wire/layout";
import { keyFromText } from "./address";
import { lastingProperty, readProperty } from "./property";

const sourceAddress: usize = lastingProperty("source\0address");

/** The client as the key of a frontend: its address takes the place of a frontend's. */
const client: usize = memory.data(KEY_BYTES);

/** Returns the client as a frontend's key; 0 when it is unknown. Valid until the next call. */
export function readClient(): usize {
  const source = readProperty(sourceAddress);
  const isKnown = source !== 0 && keyFromText(source, returnedSize(), PROTOCOL_TCP, client);
  release(source);
  return isKnown ? client : 0;
}

/** Returns where the 16 bytes of the address are in what readClient returned. */
export function clientAddress(key: usize): usize {
  return key + KEY_ADDRESS_OFFSET;
}
