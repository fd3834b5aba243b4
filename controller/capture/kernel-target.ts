// What the kernel should hold, apart from the constant rules.

import { EMPTY_CAPTURE_SET } from "../node/capture-set.ts";
import type { CaptureSet } from "../node/types.ts";
import type { UdpBindings } from "../node/udp-binding.ts";

export interface KernelTarget extends CaptureSet {
  /** Of UDP frontends that Envoy has listeners for. */
  udpBindings: UdpBindings;
  /** Those of an Envoy that gets nothing new any more: its last answers must find their way. */
  formerUdpBindings: UdpBindings;
}

export const EMPTY_KERNEL_TARGET: KernelTarget = {
  ...EMPTY_CAPTURE_SET,
  udpBindings: new Map(),
  formerUdpBindings: new Map(),
};
