// The connections of this VM that count towards a limit, by their contexts, and how many each
// ServicePort has of them. Nothing here while no Service has a limit.

import { allocate, release } from "../abi/memory";
import {
  addContext,
  ContextMap,
  enterSome,
  removeContext,
  slotOfContext,
} from "../host/context-map";

@unmanaged
export class Held {
  serviceId: u64;
  /** 0: the place is free for another ServicePort. */
  count: u32;
  zero: u32;
}

const FIRST_PLACES: u32 = 16;
const CONTEXT_BYTES: u32 = 8;
const PLACE_OFFSET: u32 = 4;

let places: usize = 0;
let capacity: u32 = 0;
let used: u32 = 0;

//    0         4
//   +---------+-------+
//   | context | place |
//   | u32     | u32   |
//   +---------+-------+
const contexts = changetype<ContextMap>(memory.data(offsetof<ContextMap>(), 8));
contexts.slotBytes = CONTEXT_BYTES;

/** Returns how many places heldAt knows, free ones included. */
export function heldPlaces(): u32 {
  return used;
}

/** Returns a place by its number; valid until one is added. */
export function heldAt(place: u32): Held {
  return changetype<Held>(places + place * offsetof<Held>());
}

/** Returns whether any connection counts. */
export function holdsAny(): bool {
  return contexts.used !== 0;
}

function grow(): void {
  const old = places;
  capacity = max(FIRST_PLACES, capacity * 2);
  places = allocate(capacity * offsetof<Held>());
  memory.copy(places, old, used * offsetof<Held>());
  release(old);
}

/** Returns the number of the ServicePort's place, which may be new. */
function placeOf(serviceId: u64): u32 {
  let free = used;
  for (let place: u32 = 0; place < used; place++) {
    const held = heldAt(place);
    if (held.serviceId === serviceId) return place;
    if (held.count === 0 && free === used) free = place;
  }
  if (free === used) {
    if (used === capacity) grow();
    used++;
  }
  heldAt(free).serviceId = serviceId;
  heldAt(free).count = 0;
  return free;
}

/** Returns how many connections of the ServicePort this VM has. */
export function heldCount(serviceId: u64): u32 {
  for (let place: u32 = 0; place < used; place++) {
    if (heldAt(place).serviceId === serviceId) return heldAt(place).count;
  }
  return 0;
}

/** The connection with this context counts from now on. */
export function hold(context: u32, serviceId: u64): void {
  const place = placeOf(serviceId);
  heldAt(place).count++;
  store<u32>(addContext(contexts, context) + PLACE_OFFSET, place);
}

/** It does not count any more. Returns the service id; 0 when it did not count. */
export function letGo(context: u32): u64 {
  const slot = slotOfContext(contexts, context);
  if (slot === 0) return 0;
  const held = heldAt(load<u32>(slot + PLACE_OFFSET));
  removeContext(contexts, slot);
  held.count--;
  return held.serviceId;
}

/** Enters the context of some connection that counts; false when there is none. */
export function enterHeld(): bool {
  return enterSome(contexts);
}
