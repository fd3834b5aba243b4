// The kernel of a namespace, as Portico programs it.

import { KernelCapture } from "../../controller/capture/apply.ts";
import { type CaptureOptions, DEFAULT_CAPTURE_OPTIONS } from "../../controller/capture/options.ts";
import type { ClusterNode } from "../namespaces/cluster.ts";
import { looseReversePathOn } from "../namespaces/reverse-path.ts";

export const CAPTURE_PORTS = {
  keep: DEFAULT_CAPTURE_OPTIONS.keepPort,
  host: DEFAULT_CAPTURE_OPTIONS.hostPort,
  local: DEFAULT_CAPTURE_OPTIONS.localPort,
  masquerade: DEFAULT_CAPTURE_OPTIONS.masqueradePort,
};

/** nft and ip run in the node's namespace; what they do ends with it. */
export function kernelOf(node: ClusterNode, own: Partial<CaptureOptions> = {}): KernelCapture {
  return new KernelCapture(
    { ...DEFAULT_CAPTURE_OPTIONS, ...own },
    (program, args, input) => node.exec(program, args, { input, allowFailure: true }),
    { looseReversePath: () => looseReversePathOn(node) },
  );
}
