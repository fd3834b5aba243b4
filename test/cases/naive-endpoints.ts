// The endpoints behind a Service's port, by the words of the documentation. Part of naive.ts.

// biome-ignore lint/suspicious/noExplicitAny: the objects are read as they stand in YAML
export type Json = any;

export interface Listed {
  endpoint: Json;
  /** "address:port" */
  backend: string;
}

/** "EndpointSlices for a Service are found by the label"; "duplicates may exist, be tolerant". */
export function listedEndpoints(
  slices: readonly Json[],
  service: Json,
  servicePort: Json,
  family: "IPv4" | "IPv6",
): Listed[] {
  const listed: Listed[] = [];
  for (const slice of slices) {
    const { namespace, labels } = slice.metadata;
    if (namespace !== service.metadata.namespace || slice.addressType !== family) continue;
    if (labels["kubernetes.io/service-name"] !== service.metadata.name) continue;
    if ("service.kubernetes.io/headless" in labels) continue;
    for (const port of slice.ports) {
      if ((port.name ?? "") !== (servicePort.name ?? "")) continue;
      if ((port.protocol ?? "TCP") !== (servicePort.protocol ?? "TCP")) continue;
      for (const endpoint of slice.endpoints) {
        const [address] = endpoint.addresses;
        const text = family === "IPv6" ? `[${address}]` : address;
        listed.push({ endpoint, backend: `${text}:${port.port}` });
      }
    }
  }
  return listed;
}

/** "If there are no ready endpoints, those that are serving and terminating are used." */
export function readyOrTerminating(all: readonly Listed[]): Listed[] {
  // "A nil value should be interpreted as true."
  const ready = all.filter(({ endpoint }) => endpoint.conditions?.ready ?? true);
  if (ready.length > 0) return ready;
  return all.filter(({ endpoint }) => {
    return (endpoint.conditions?.serving ?? true) && (endpoint.conditions?.terminating ?? false);
  });
}
