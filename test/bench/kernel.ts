// The kernel of a namespace, as Portico programs it.

import { KernelCapture } from "../../controller/capture/apply.ts";
import { DEFAULT_CAPTURE_OPTIONS } from "../../controller/capture/options.ts";
import type { ClusterNode } from "../namespaces/cluster.ts";

export const CAPTURE_PORTS = {
  keep: DEFAULT_CAPTURE_OPTIONS.keepPort,
  masquerade: DEFAULT_CAPTURE_OPTIONS.masqueradePort,
  local: DEFAULT_CAPTURE_OPTIONS.localPort,
};

/** nft and ip run in the node's namespace; what they do ends with it. */
export function kernelOf(node: ClusterNode): KernelCapture {
  return new KernelCapture(DEFAULT_CAPTURE_OPTIONS, (program, args, input) =>
    node.exec(program, args, { input, allowFailure: true }),
  );
}
