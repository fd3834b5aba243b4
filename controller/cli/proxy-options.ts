// The flags that kube-proxy has too, and --config → ProxyConfiguration. A flag that is given wins
// over the file; kube-proxy ignores most flags beside a file.

import { readFile } from "node:fs/promises";
import { type Command, InvalidArgumentError, Option } from "commander";
import {
  configurationFromFile,
  type DetectLocal,
  defaultConfiguration,
  type ProxyConfiguration,
} from "../config-file.ts";
import {
  CLUSTER_CIDR,
  clusterCIDRsFrom,
  NOT_ALLOWED,
  nodePortAddresses,
  parseBindAddress,
} from "../config-file-fields.ts";
import { HEALTHZ_PORT, METRICS_PORT } from "../config-file-schema.ts";
import type { BindAddress } from "../observe/http-endpoint.ts";
import {
  addConntrackOptions,
  type ConntrackFlags,
  conntrackFromFlags,
} from "./conntrack-options.ts";

/** None has a default: absent means not given. */
export interface ProxyFlags extends ConntrackFlags {
  config?: string;
  hostnameOverride?: string;
  healthzBindAddress?: BindAddress | "none";
  metricsBindAddress?: BindAddress | "none";
  bindAddressHardFail?: true;
  profiling?: true;
  nodeportAddresses?: string[];
  detectLocalMode?: DetectLocal["mode"];
  clusterCidr?: string[];
  podBridgeInterface?: string;
  podInterfaceNamePrefix?: string;
  masqueradeAll?: true;
}

const MODES: readonly DetectLocal["mode"][] = [
  "ClusterCIDR",
  "NodeCIDR",
  "BridgeInterface",
  "InterfaceNamePrefix",
];

export function addProxyOptions(command: Command): void {
  addServerOptions(command);
  addConntrackOptions(command);
  command
    .option(
      "--config <file>",
      "a KubeProxyConfiguration, as kube-proxy takes it; flags win over it, and when its content " +
        "changes the process ends, to be started anew",
    )
    .option("--write-config-to <file>", "write the settings as a KubeProxyConfiguration, and end")
    .option("--hostname-override <name>", "the same as --node-name, as kube-proxy calls it")
    .option(
      "--nodeport-addresses <list>",
      "where node ports answer: CIDRs, primary, localhost, all (default: primary)",
      nodePortAddressesFromText,
    )
    .option("--masquerade-all", "hide the client's address from all backends of cluster IPs")
    .addOption(
      new Option("--detect-local-mode <mode>", "how to tell Pods of this node").choices(MODES),
    )
    .option(
      "--cluster-cidr <cidr>",
      "addresses of Pods, for --detect-local-mode ClusterCIDR; one of each family at most",
      clusterCIDRFromText,
    )
    .option("--pod-bridge-interface <name>", "for --detect-local-mode BridgeInterface")
    .option("--pod-interface-name-prefix <text>", "for --detect-local-mode InterfaceNamePrefix");
}

function addServerOptions(command: Command): void {
  command
    .option(
      "--healthz-bind-address <ip:port>",
      `where /healthz and /livez answer; none: nowhere (default: 0.0.0.0:${HEALTHZ_PORT})`,
      bindAddressFromText(HEALTHZ_PORT),
    )
    .option(
      "--metrics-bind-address <ip:port>",
      `where /metrics answers; none: nowhere (default: 127.0.0.1:${METRICS_PORT})`,
      bindAddressFromText(METRICS_PORT),
    )
    .option("--bind-address-hard-fail", "end when one of these two cannot be bound")
    .option(
      "--profiling",
      "CPU and heap profiles for Chrome's DevTools under /debug/pprof/ of the metrics address",
    );
}

/** What file and flags say together. `text` is the file's; `warning`: configurationFromFile's. */
export async function proxyConfigurationFromFlags(flags: ProxyFlags): Promise<{
  configuration: ProxyConfiguration;
  text: string | undefined;
  warning: string | undefined;
}> {
  const { config } = flags;
  const text = config === undefined ? undefined : await readFile(config, "utf8");
  const file =
    config === undefined || text === undefined
      ? { configuration: defaultConfiguration(), warning: undefined }
      : configurationFromFile(config, text);
  return { configuration: withFlags(file.configuration, flags), text, warning: file.warning };
}

function withFlags(file: ProxyConfiguration, flags: ProxyFlags): ProxyConfiguration {
  const bind = (flag: BindAddress | "none" | undefined, other: BindAddress | undefined) =>
    flag === "none" ? undefined : (flag ?? other);
  return {
    ...file,
    nodeName: flags.hostnameOverride?.trim().toLowerCase() ?? file.nodeName,
    healthzBindAddress: bind(flags.healthzBindAddress, file.healthzBindAddress),
    metricsBindAddress: bind(flags.metricsBindAddress, file.metricsBindAddress),
    bindAddressHardFail: flags.bindAddressHardFail ?? file.bindAddressHardFail,
    profiling: flags.profiling ?? file.profiling,
    nodePortAddresses: flags.nodeportAddresses ?? file.nodePortAddresses,
    detectLocal: detectLocalFrom(file.detectLocal, flags),
    masqueradeAll: flags.masqueradeAll ?? file.masqueradeAll,
    conntrack: conntrackFromFlags(file.conntrack, flags),
  };
}

function detectLocalFrom(file: DetectLocal, flags: ProxyFlags): DetectLocal {
  const mode = flags.detectLocalMode ?? file.mode;
  const ofFile = file.mode === mode ? file : undefined;
  switch (mode) {
    case "ClusterCIDR": {
      const given = ofFile?.mode === mode ? ofFile.cidrs : [];
      return { mode, cidrs: flags.clusterCidr ?? given };
    }
    case "NodeCIDR":
      return { mode };
    case "BridgeInterface": {
      const given = ofFile?.mode === mode ? ofFile.interfaceName : undefined;
      const interfaceName = flags.podBridgeInterface ?? given;
      if (interfaceName) return { mode, interfaceName };
      throw new Error(`--detect-local-mode ${mode} needs --pod-bridge-interface`);
    }
    case "InterfaceNamePrefix": {
      const given = ofFile?.mode === mode ? ofFile.prefix : undefined;
      const prefix = flags.podInterfaceNamePrefix ?? given;
      if (prefix) return { mode, prefix };
      throw new Error(`--detect-local-mode ${mode} needs --pod-interface-name-prefix`);
    }
  }
}

function bindAddressFromText(defaultPort: number): (text: string) => BindAddress | "none" {
  return (text) => {
    if (text === "none") return text;
    const address = parseBindAddress(text, defaultPort);
    if (address) return address;
    throw new InvalidArgumentError(`Give an address and a port such as 0.0.0.0:${defaultPort}.`);
  };
}

function nodePortAddressesFromText(text: string): string[] {
  const { parse, allowed } = nodePortAddresses();
  const addresses = parse(text.split(",").map((each) => each.trim()));
  if (addresses === NOT_ALLOWED) throw new InvalidArgumentError(`Give ${allowed}.`);
  return addresses;
}

function clusterCIDRFromText(text: string): string[] {
  const cidrs = clusterCIDRsFrom(text);
  if (cidrs === undefined) throw new InvalidArgumentError(`Give ${CLUSTER_CIDR}.`);
  return cidrs;
}
