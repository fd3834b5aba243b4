// The environment of a Pod → whether the way to the API server leads through the Service
// kubernetes, which Portico itself is to serve: that works beside another proxy, and no more after
// a reboot.

/** The variables that tell: the kubelet sets both, to the Service's address, in every Pod. */
export type PodEnvironment = Readonly<
  Partial<Record<"KUBERNETES_SERVICE_HOST" | "KUBERNETES_PORT_443_TCP_ADDR", string>>
>;

/** A sentence with what to do; undefined where somebody has given the API server's own address. */
export function serviceAddressProblem(environment: PodEnvironment): string | undefined {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_PORT_443_TCP_ADDR: service } = environment;
  if (!host || host !== service) return undefined;
  return (
    `KUBERNETES_SERVICE_HOST is ${host}, the address of the Service kubernetes, which answers ` +
    "only where something serves Services already: after a reboot Portico would wait for itself. " +
    "Give the container the API server's own address in KUBERNETES_SERVICE_HOST and " +
    "KUBERNETES_SERVICE_PORT (the ConfigMap portico-api-server of deploy/kubernetes)"
  );
}
