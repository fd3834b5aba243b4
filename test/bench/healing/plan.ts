// Which Pods there are, where, and what is wrong with them. Pure.

export const NODE_NAMES = ["node-1", "node-2", "node-3"] as const;
type NodeName = (typeof NODE_NAMES)[number];
/** The node that is lost. */
export const VANISHING = "node-3" satisfies NodeName;

/** Of one Pod, as many clients: what one of them meets says little of the others. */
export const CLIENT_ADDRESSES = Array.from({ length: 8 }, (_, index) => `10.1.1.${100 + index}`);

interface PodPlan {
  node: NodeName;
  address: string;
  /**
   *    serving   a server listens
   *    refusing  nothing listens
   *    silent    what is sent to its port is dropped
   */
  kind: "serving" | "refusing" | "silent";
}

function pod(node: NodeName, address: string, kind: PodPlan["kind"]): PodPlan {
  return { node, address, kind };
}

export const PODS = {
  "web-1": pod("node-1", "10.1.1.11", "serving"),
  "web-2": pod("node-2", "10.1.2.11", "serving"),
  "web-3": pod("node-3", "10.1.3.11", "serving"),
  refusing: pod("node-2", "10.1.2.12", "refusing"),
  "silent-1": pod("node-1", "10.1.1.13", "silent"),
  "silent-2": pod("node-2", "10.1.2.13", "silent"),
  "old-1": pod("node-1", "10.1.1.21", "refusing"),
  "old-2": pod("node-1", "10.1.1.22", "refusing"),
  "old-3": pod("node-1", "10.1.1.23", "refusing"),
  "new-1": pod("node-1", "10.1.1.31", "refusing"),
  "new-2": pod("node-1", "10.1.1.32", "refusing"),
  "new-3": pod("node-1", "10.1.1.33", "refusing"),
} satisfies Record<string, PodPlan>;
export type PodName = keyof typeof PODS;

/** The Pods that a rolling update replaces, and those that replace them, in this order. */
export const ROLLING = [
  ["old-1", "new-1"],
  ["old-2", "new-2"],
  ["old-3", "new-3"],
] as const satisfies readonly (readonly [PodName, PodName])[];
