// The cluster that every stand believes in: many Services, one of which is dialled. All peers get
// the same kernel rules for it, Portico's own.

import type { ClusterState } from "../../../controller/model/cluster-state.ts";
import { NodeFollower } from "../../../controller/node/follow-cluster.ts";
import { WantedInKernel } from "../../../controller/sync/target-kernel.ts";
import { partsWithoutUdp } from "../../stand-ins/captured.ts";
import { kernelOf } from "../kernel.ts";
import { NODE_NAME, syntheticState } from "../synthetic-cluster.ts";
import { BACKEND_PORT, FRONTEND, type Stand } from "./stand.ts";

const ENDPOINTS_EACH = 10;

/** `services` of them besides the one at FRONTEND, which the backends of the stand serve. */
export function stateOf(stand: Stand, services: number): ClusterState {
  const dialled = {
    namespace: "bench",
    name: "dialled",
    clusterIP: FRONTEND.address,
    targetPort: BACKEND_PORT,
    addresses: stand.backends.map(({ address }) => address),
  };
  return syntheticState({ services, endpointsEach: ENDPOINTS_EACH }, [dialled]);
}

/** Makes the kernel of a stand hand connections to a proxy that listens on CAPTURE_PORTS. */
export async function captureOn(stand: Stand, services: number): Promise<void> {
  const state = stateOf(stand, services);
  const options = { nodeName: NODE_NAME, serviceProxyName: undefined, serviceCIDRs: [] };
  const { capture } = new NodeFollower(state, options).update();
  await kernelOf(stand.node).full(new WantedInKernel(partsWithoutUdp(capture), []).whole());
}
