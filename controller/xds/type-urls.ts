// The xDS resource types that Portico serves, and how Envoy asks for each.
//
// To add one: its URL here, its message in test/envoy-protos.ts, its builder in resources.ts.

const PREFIX = "type.googleapis.com/";

export const LISTENER_TYPE = `${PREFIX}envoy.config.listener.v3.Listener`;
export const CLUSTER_TYPE = `${PREFIX}envoy.config.cluster.v3.Cluster`;
export const ENDPOINTS_TYPE = `${PREFIX}envoy.config.endpoint.v3.ClusterLoadAssignment`;
export const FILTER_TYPE = `${PREFIX}envoy.config.core.v3.TypedExtensionConfig`;

/** Returns the type's common name: "LDS"; or its URL, if Portico does not serve the type. */
export function discoveryName(typeUrl: string): string {
  return NAMES.get(typeUrl) ?? typeUrl;
}

const NAMES = new Map([
  [LISTENER_TYPE, "LDS"],
  [CLUSTER_TYPE, "CDS"],
  [ENDPOINTS_TYPE, "EDS"],
  [FILTER_TYPE, "ECDS"],
]);

/** Reports whether Portico has resources of this type. */
export function isServed(typeUrl: string): boolean {
  return NAMES.has(typeUrl);
}

/** A request without names asks for everything of these types, and for nothing of other types. */
export function isWildcard(typeUrl: string): boolean {
  return typeUrl === LISTENER_TYPE || typeUrl === CLUSTER_TYPE;
}

/** Types whose answers may leave out what did not change: it stays unchanged in Envoy. */
export function isSentInParts(typeUrl: string): boolean {
  return typeUrl === ENDPOINTS_TYPE;
}

/** Returns the type to which resources of this one refer; Envoy then asks for those. */
export function dependentType(typeUrl: string): string | undefined {
  if (typeUrl === LISTENER_TYPE) return FILTER_TYPE;
  if (typeUrl === CLUSTER_TYPE) return ENDPOINTS_TYPE;
  return undefined;
}
