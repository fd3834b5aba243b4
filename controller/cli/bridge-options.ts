// How Pods on a bridge get to Envoy: the flags that `portico run` and `portico check` share.

import { type Command, Option } from "commander";
import { BRIDGE_CAPTURES, type BridgeCapture } from "../capture/bridge-plan.ts";
import { redirectPortsFromText } from "../config/flag-values.ts";
import type { RedirectPorts } from "../xds/resources.ts";

const REDIRECT_PORTS = "15405,15406,15407,15415,15416,15417";

export interface BridgeFlags {
  bridgeCapture: BridgeCapture;
  redirectPorts: readonly [RedirectPorts, RedirectPorts];
}

/** Adds the flags of BridgeFlags; each has a default. */
export function addBridgeOptions(command: Command): void {
  const ports = new Option(
    "--redirect-ports <six ports>",
    "ports for --bridge-capture redirect: three more listeners of the first Envoy, then " +
      "three of the second",
  );
  command
    .addOption(
      new Option(
        "--bridge-capture <how>",
        "how TCP connections of Pods on a bridge that calls iptables reach Envoy: by the " +
          "kernel's hook order, or by NAT, which adds 6 µs per connection; auto: NAT where the " +
          "hook order is not the usual one",
      )
        .choices(BRIDGE_CAPTURES)
        .default("auto"),
    )
    .addOption(
      ports
        .argParser(redirectPortsFromText)
        .default(redirectPortsFromText(REDIRECT_PORTS), REDIRECT_PORTS),
    );
}
