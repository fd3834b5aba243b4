// A fault of the node itself, as a problem.

import type { Problem } from "../model/types.ts";

/** Returns a problem that names no Kubernetes object. */
export function problemOfThisNode(message: string): Problem {
  return { object: "This node", message };
}
