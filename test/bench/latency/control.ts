// The control plane of a bench in a network namespace of its own, to which nodes are linked
// (linkToControl).

import { ControlPlane } from "../../cluster/control-plane.ts";
import { makeNode } from "../../namespaces/cluster.ts";
import { ipBatch } from "../../namespaces/command.ts";
import type { Namespace } from "../../namespaces/namespace.ts";
import { API_ADDRESS } from "./world.ts";

export interface Control {
  namespace: Namespace;
  plane: ControlPlane;
  /** Removes both, with all processes. */
  close(): Promise<void>;
}

/** `etcdData` as ControlPlane has it. The objects are the bench's, so no controllers run. */
export async function makeControl(etcdData = ""): Promise<Control> {
  const { cluster, node: namespace } = await makeNode({ name: "control" });
  try {
    await ipBatch([`addr add ${API_ADDRESS}/32 dev lo`], namespace.name);
    const plane = await ControlPlane.start({
      prefix: ["nsenter", `--net=/run/netns/${namespace.name}`, "--"],
      address: API_ADDRESS,
      withControllers: false,
      etcdData,
    });
    const close = async () => {
      await plane.stop();
      await cluster.close();
    };
    return { namespace, plane, close };
  } catch (error) {
    await cluster.close();
    throw error;
  }
}
