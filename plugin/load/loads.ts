// How many open connections each backend has, by a number for its address and port: of this VM, and
// of the others as learnt last. A hash table with linear probing; when it is full, it is made again
// without those that have none.
//
//    0         4       8
//   +---------+-------+--------+
//   | backend | own   | others |   backend 0: a free slot
//   | u32     | u32   | u32    |
//   +---------+-------+--------+

import { allocate, release } from "../abi/memory";
import { identityOf } from "../table/identity";

const SLOT_BYTES: u32 = 12;
const OWN_OFFSET: u32 = 4;
const OTHERS_OFFSET: u32 = 8;
const FIRST_SLOTS: u32 = 64;

let slots: usize = 0;
/** A power of two; 0 before the first connection. */
let slotCount: u32 = 0;
let used: u32 = 0;

/** Returns the number of a backend of `bytes`; two may share one by accident, and it is never 0. */
export function numberOf(backend: usize, bytes: u32): u32 {
  return max<u32>(<u32>identityOf(backend, bytes), 1);
}

function slotOf(number: u32): usize {
  let index = number & (slotCount - 1);
  let slot = slots + index * SLOT_BYTES;
  while (load<u32>(slot) !== number && load<u32>(slot) !== 0) {
    index = (index + 1) & (slotCount - 1);
    slot = slots + index * SLOT_BYTES;
  }
  return slot;
}

function isEmpty(slot: usize): bool {
  return (load<u32>(slot + OWN_OFFSET) | load<u32>(slot + OTHERS_OFFSET)) === 0;
}

function makeAgain(): void {
  const old = slots;
  const oldCount = slotCount;
  let needed: u32 = 0;
  for (let i: u32 = 0; i < oldCount; i++) if (!isEmpty(old + i * SLOT_BYTES)) needed++;
  slotCount = FIRST_SLOTS;
  while (slotCount < needed * 2) slotCount *= 2;
  slots = allocate(slotCount * SLOT_BYTES);
  memory.fill(slots, 0, slotCount * SLOT_BYTES);
  used = needed;
  for (let i: u32 = 0; i < oldCount; i++) {
    const slot = old + i * SLOT_BYTES;
    if (!isEmpty(slot)) memory.copy(slotOf(load<u32>(slot)), slot, SLOT_BYTES);
  }
  release(old);
}

function add(number: u32, offset: u32, by: u32): void {
  if (used * 4 >= slotCount * 3) makeAgain();
  const slot = slotOf(number);
  if (load<u32>(slot) === 0) {
    store<u32>(slot, number);
    used++;
  }
  store<u32>(slot + offset, load<u32>(slot + offset) + by);
}

/** Adds a connection of this VM. */
export function addOwn(number: u32): void {
  add(number, OWN_OFFSET, 1);
}

/** Removes a connection of this VM, which was added. */
export function removeOwn(number: u32): void {
  add(number, OWN_OFFSET, -1);
}

/** Adds connections of another VM. */
export function addOthers(number: u32, count: u32): void {
  add(number, OTHERS_OFFSET, count);
}

/** Forgets the connections of other VMs. */
export function forgetOthers(): void {
  for (let i: u32 = 0; i < slotCount; i++) store<u32>(slots + i * SLOT_BYTES + OTHERS_OFFSET, 0);
}

/** Returns the connections of all VMs. */
export function allOf(number: u32): u32 {
  if (used === 0) return 0;
  const slot = slotOf(number);
  return load<u32>(slot + OWN_OFFSET) + load<u32>(slot + OTHERS_OFFSET);
}

/** Returns how many slots ownAt knows. */
export function ownSlots(): u32 {
  return slotCount;
}

/** Returns where number and count of this VM's connections are; the count may be 0. */
export function ownAt(index: u32): usize {
  return slots + index * SLOT_BYTES;
}
