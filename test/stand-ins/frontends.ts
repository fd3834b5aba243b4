// Frontends as literals.

import { frontendKey } from "../../controller/node/frontend-key.ts";
import { DEFAULT_SETTINGS } from "../../controller/node/frontend-settings.ts";
import type { Frontend } from "../../controller/node/types.ts";

/** "shop/orders", "10.96.0.1:80", backends as "10.1.1.1:8080"; refused without any. */
export function frontendOf(
  service: string,
  door: string,
  backends: readonly string[],
  more: Partial<Frontend> = {},
): Frontend {
  const [namespace = "", name = ""] = service.split("/");
  const [address = "", port = ""] = door.split(":");
  return {
    key: frontendKey(address, Number(port), "TCP"),
    family: "IPv4",
    address,
    port: Number(port),
    protocol: "TCP",
    kind: "ClusterIP",
    namespace,
    service: name,
    portName: "",
    verdict: backends.length === 0 ? "refuse" : "keep",
    backends: backends.map((text) => {
      const [backendAddress = "", backendPort = ""] = text.split(":");
      return { address: backendAddress, port: Number(backendPort), local: false };
    }),
    localBackends: [],
    allowedSources: [],
    affinityTimeoutSeconds: 0,
    settings: DEFAULT_SETTINGS,
    ...more,
  };
}
