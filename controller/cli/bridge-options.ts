// How Pods on a bridge get to Envoy: the flags that `portico run` and `portico check` share.

import { type Command, Option } from "commander";
import { BRIDGE_CAPTURES, type BridgeCapture } from "../capture/bridge-plan.ts";
import { redirectPortsFromText } from "../config.ts";
import type { CapturePorts } from "../xds/resources.ts";

const REDIRECT_PORTS = "15405,15406,15407,15415,15416,15417";

export interface BridgeFlags {
  bridgeCapture: BridgeCapture;
  redirectPorts: readonly [CapturePorts, CapturePorts];
}

export function addBridgeOptions(command: Command): void {
  const ports = new Option(
    "--redirect-ports <six ports>",
    "with redirect: ports of three more listeners of the first Envoy, and of the second",
  );
  command
    .addOption(
      new Option(
        "--bridge-capture <how>",
        "how TCP connections of Pods on a bridge that calls iptables get to Envoy: by the order " +
          "in which the kernel calls its hooks; by NAT, which costs each 6 µs more; auto: by NAT " +
          "where that order is not the usual one",
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
