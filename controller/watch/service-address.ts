// The environment of a Pod → whether the way to the API server leads through the Service
// kubernetes, which Portico itself serves: that works next to another proxy, but not after a
// reboot.

/** The relevant variables: the kubelet sets both, to the Service's address, in every Pod. */
type PodEnvironment = Readonly<
  Partial<Record<"KUBERNETES_SERVICE_HOST" | "KUBERNETES_PORT_443_TCP_ADDR", string>>
>;

/** Returns a sentence with what to do; undefined where the API server's own address is set. */
export function serviceAddressProblem(environment: PodEnvironment): string | undefined {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_PORT_443_TCP_ADDR: service } = environment;
  if (!host || host !== service) return undefined;
  return (
    `KUBERNETES_SERVICE_HOST is ${host}, the address of the Service kubernetes, which works ` +
    "only where Services are already served: after a reboot Portico would wait for itself. Set " +
    "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT of the container to the API server's " +
    "own address (the ConfigMap portico-api-server of deploy/kubernetes)"
  );
}
