// All kinds of faults. To add one: write it into the file of its place, and it is drawn from then
// on; the same seed gives another plan then.
//
// What is not here, and why: a step of the wall clock, which belongs to the machine and has no
// namespace; one of monotonic time, which no node has (in a time namespace the controller's Envoys
// are ahead with it, and session affinity that is copied to them has expired); a small connection
// tracking table, as nf_conntrack_max is the machine's too (conntrack-full does what a full one
// does).

import { API_FAULTS } from "./api-faults.ts";
import type { FaultKind } from "./fault.ts";
import { KERNEL_FAULTS } from "./kernel-faults.ts";
import { NODE_FAULTS } from "./node-faults.ts";
import { PROCESS_FAULTS } from "./process-faults.ts";
import { ROLLOUT_FAULTS } from "./rollout-faults.ts";

export const FAULT_KINDS: readonly FaultKind[] = [
  ...PROCESS_FAULTS,
  ...API_FAULTS,
  ...KERNEL_FAULTS,
  ...NODE_FAULTS,
  ...ROLLOUT_FAULTS,
];

/** Throws when there is none of this name. */
export function faultKind(name: string): FaultKind {
  const found = FAULT_KINDS.find((kind) => kind.name === name);
  if (found === undefined) throw new Error(`there is no kind of fault called ${name}`);
  return found;
}
