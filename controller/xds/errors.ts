// What can fail when Envoy is configured.

import { discoveryName } from "./type-urls.ts";

const PORT_HINT =
  "`ss -ltnp` shows which process uses the port; --capture-ports sets other ports, " +
  "--second-capture-ports those of an Envoy that takes over, and --redirect-ports those for " +
  "connections redirected by NAT";

/** Envoy refused resources and keeps what it had. */
export class XdsRejectedError extends Error {
  readonly code = "xds-rejected";
  override readonly name = "XdsRejectedError";
  readonly typeUrl: string;
  /** Names of all resources in the refused answer; `detail` says which one is at fault. */
  readonly resources: readonly string[];
  /** Envoy's error message. */
  readonly detail: string;

  constructor(typeUrl: string, resources: readonly string[], detail: string) {
    const hint = detail.includes("Address already in use") ? `; ${PORT_HINT}` : "";
    super(
      `Envoy rejected ${discoveryName(typeUrl)} ${resources.join(", ")}: ${detail.trim()}${hint}`,
    );
    this.typeUrl = typeUrl;
    this.resources = resources;
    this.detail = detail;
  }
}

/** An Envoy did not reply in time. What was set stays set, and Envoy may still acknowledge it. */
export class XdsTimeoutError extends Error {
  readonly code = "xds-timeout";
  override readonly name = "XdsTimeoutError";

  constructor(typeUrl: string, nodes: readonly string[], timeoutMs: number) {
    super(
      `Envoy ${nodes.join(", ")} did not acknowledge ${discoveryName(typeUrl)} ` +
        `within ${timeoutMs} ms; see its log`,
    );
  }
}
