// A Problem → the Event that reports it to the object's author. Pure.

import type { ObjectKey, Problem } from "../model/types.ts";
import type { EventNote } from "./events.ts";

/** API versions by kind: an Event goes to its object, if that is one of the cluster's. */
const API_VERSIONS: Readonly<Record<string, string>> = {
  Service: "v1",
  Node: "v1",
  EndpointSlice: "discovery.k8s.io/v1",
  ServiceCIDR: "networking.k8s.io/v1",
};

/**
 * Returns undefined when the problem is not about a Kubernetes object (but a file, say). `uidOf`
 * may return an empty text.
 */
export function eventFromProblem(
  { object, message, reason = "ServiceProxyProblem" }: Problem,
  uidOf: (kind: string, key: ObjectKey) => string,
): EventNote | undefined {
  const [kind = "", key = ""] = object.split(" ", 2);
  const apiVersion = Object.hasOwn(API_VERSIONS, kind) ? API_VERSIONS[kind] : undefined;
  if (apiVersion === undefined || key === "") return undefined;
  const [first = "", second] = key.split("/", 2);
  const [namespace, name] = second === undefined ? ["", first] : [first, second];
  return {
    subject: { apiVersion, kind, namespace, name, uid: uidOf(kind, key) },
    type: "Warning",
    reason,
    action: "Sync",
    note: message,
  };
}
