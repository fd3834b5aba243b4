// What may go wrong while Envoy is configured.

import { discoveryName } from "./type-urls.ts";

const PORT_HINT =
  "`ss -ltnp` tells who has the port; --capture-ports, and --second-capture-ports for an Envoy " +
  "that takes the place of another, name others, and --redirect-ports those of its listeners " +
  "for what NAT redirects";

/** Envoy refused resources and keeps what it had. */
export class XdsRejectedError extends Error {
  readonly code = "xds-rejected";
  override readonly name = "XdsRejectedError";
  readonly typeUrl: string;
  /** Names of all resources of the refused answer; `detail` says which is at fault. */
  readonly resources: readonly string[];
  /** Envoy's words. */
  readonly detail: string;

  constructor(typeUrl: string, resources: readonly string[], detail: string) {
    const hint = detail.includes("Address already in use") ? `; ${PORT_HINT}` : "";
    super(
      `Envoy refused ${discoveryName(typeUrl)} ${resources.join(", ")}: ${detail.trim()}${hint}`,
    );
    this.typeUrl = typeUrl;
    this.resources = resources;
    this.detail = detail;
  }
}

/** An Envoy did not reply in time. What was set stays set, and it may still acknowledge. */
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
