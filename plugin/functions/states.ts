// What a function keeps for a Service in this VM: STATE_BYTES, zero at first. The VM holds
// MOST_STATES of them; when a Service more needs one, the state of another begins with zeros again.

import { allocate } from "../abi/memory";
import { STATE_BYTES } from "./budget";

/** A power of two. They take memory as they are needed: 1 MB at most. */
const MOST_STATES: u32 = 1024;
/** How many places a state may be in. */
const STEPS: u32 = 8;

@unmanaged
class Owner {
  service: u64;
  /** Of the plugin's heap; 0 for a free place. */
  state: usize;
  slot: u32;
}

const owners: usize = memory.data(MOST_STATES * offsetof<Owner>(), 8);

function ownerAt(index: u32): Owner {
  return changetype<Owner>(owners + (index & (MOST_STATES - 1)) * offsetof<Owner>());
}

/** Returns the state of a Service's function, by service id and slot. */
export function stateOf(service: u64, slot: u32): usize {
  const home = <u32>service ^ slot;
  for (let i: u32 = 0; i < STEPS; i++) {
    const owner = ownerAt(home + i);
    if (owner.state === 0) return take(owner, service, slot);
    if (owner.service === service && owner.slot === slot) return owner.state;
  }
  return take(ownerAt(home), service, slot);
}

function take(owner: Owner, service: u64, slot: u32): usize {
  owner.service = service;
  owner.slot = slot;
  if (owner.state === 0) owner.state = allocate(STATE_BYTES);
  memory.fill(owner.state, 0, STATE_BYTES);
  return owner.state;
}
