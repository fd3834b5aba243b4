// The xDS resource types that Portico serves, and how each is asked for.
//
// To add one: its URL here, its message in protos.ts, its builder in resources.ts.

const PREFIX = "type.googleapis.com/";

export const LISTENER_TYPE = `${PREFIX}envoy.config.listener.v3.Listener`;
export const CLUSTER_TYPE = `${PREFIX}envoy.config.cluster.v3.Cluster`;
export const ENDPOINTS_TYPE = `${PREFIX}envoy.config.endpoint.v3.ClusterLoadAssignment`;
export const FILTER_TYPE = `${PREFIX}envoy.config.core.v3.TypedExtensionConfig`;

/** What people call the type: "LDS". The URL itself for a type that Portico does not serve. */
export function discoveryName(typeUrl: string): string {
  return NAMES.get(typeUrl) ?? typeUrl;
}

const NAMES = new Map([
  [LISTENER_TYPE, "LDS"],
  [CLUSTER_TYPE, "CDS"],
  [ENDPOINTS_TYPE, "EDS"],
  [FILTER_TYPE, "ECDS"],
]);

export function isServed(typeUrl: string): boolean {
  return NAMES.has(typeUrl);
}

/** A request without names asks for everything of these types, and for nothing of the others. */
export function isWildcard(typeUrl: string): boolean {
  return typeUrl === LISTENER_TYPE || typeUrl === CLUSTER_TYPE;
}

/** Types of which an answer may leave out what did not change: it stays as it is in Envoy. */
export function isSentInParts(typeUrl: string): boolean {
  return typeUrl === ENDPOINTS_TYPE;
}

/** The type of which resources of this one refer to further ones that Envoy then asks for. */
export function dependentType(typeUrl: string): string | undefined {
  if (typeUrl === LISTENER_TYPE) return FILTER_TYPE;
  if (typeUrl === CLUSTER_TYPE) return ENDPOINTS_TYPE;
  return undefined;
}
