// The flags that kube-proxy has too, and --config → ProxyConfiguration. A flag that is given wins
// over the file; kube-proxy ignores most flags when it has a file.

import { readFile } from "node:fs/promises";
import { type Command, InvalidArgumentError, Option } from "commander";
import {
  configurationFromFile,
  type DetectLocal,
  defaultConfiguration,
  type ProxyConfiguration,
} from "../config/config-file.ts";
import {
  CLUSTER_CIDR,
  clusterCIDRsFrom,
  NOT_ALLOWED,
  nodePortAddresses,
  parseBindAddress,
} from "../config/config-file-fields.ts";
import { HEALTHZ_PORT, METRICS_PORT } from "../config/config-file-schema.ts";
import type { BindAddress } from "../http/endpoint.ts";
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

/** Adds the flags of ProxyFlags; none has a default, so that the file's values hold. */
export function addProxyOptions(command: Command): void {
  addServerOptions(command);
  addConntrackOptions(command);
  command
    .option(
      "--config <file>",
      "a KubeProxyConfiguration file, as for kube-proxy; flags override it, and when its " +
        "content changes the process exits, to be restarted",
    )
    .option(
      "--write-config-to <file>",
      "write the settings to a KubeProxyConfiguration file, and exit",
    )
    .option("--hostname-override <name>", "same as --node-name (kube-proxy's name for it)")
    .option(
      "--nodeport-addresses <list>",
      "addresses on which node ports answer: CIDRs, primary, localhost, all (default: primary)",
      nodePortAddressesFromText,
    )
    .option(
      "--masquerade-all",
      "masquerade all connections to cluster IPs, which hides the client's address from " +
        "backends",
    )
    .addOption(
      new Option("--detect-local-mode <mode>", "how to recognize Pods of this node").choices(MODES),
    )
    .option(
      "--cluster-cidr <cidr>",
      "Pod CIDRs, for --detect-local-mode ClusterCIDR; at most one per family",
      clusterCIDRFromText,
    )
    .option(
      "--pod-bridge-interface <name>",
      "bridge of the Pods, for --detect-local-mode BridgeInterface",
    )
    .option(
      "--pod-interface-name-prefix <text>",
      "prefix of the Pods' interfaces, for --detect-local-mode InterfaceNamePrefix",
    );
}

function addServerOptions(command: Command): void {
  command
    .option(
      "--healthz-bind-address <ip:port>",
      `address for /healthz and /livez; none: off (default: 0.0.0.0:${HEALTHZ_PORT})`,
      bindAddressFromText(HEALTHZ_PORT),
    )
    .option(
      "--metrics-bind-address <ip:port>",
      `address for /metrics; none: off (default: 127.0.0.1:${METRICS_PORT})`,
      bindAddressFromText(METRICS_PORT),
    )
    .option("--bind-address-hard-fail", "exit if one of these two addresses cannot be bound")
    .option(
      "--profiling",
      "serve CPU and heap profiles for Chrome DevTools under /debug/pprof/ of the metrics address",
    );
}

/** Returns what file and flags say together; `text` is the file's, `warning` its reader's. */
export async function proxyConfigurationFromFlags(flags: ProxyFlags): Promise<{
  configuration: ProxyConfiguration;
  text: string | undefined;
  warning: string | undefined;
}> {
  const { config } = flags;
  const text = config === undefined ? undefined : await textOfFile(config);
  const file =
    config === undefined || text === undefined
      ? { configuration: defaultConfiguration(), warning: undefined }
      : configurationFromFile(config, text);
  return { configuration: withFlags(file.configuration, flags), text, warning: file.warning };
}

async function textOfFile(config: string): Promise<string> {
  try {
    return await readFile(config, "utf8");
  } catch (error) {
    const { message } = error as Error;
    throw new Error(`the configuration ${config} cannot be read: ${message}. Check --config.`);
  }
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
    detectLocal: detectLocalWithFlags(file.detectLocal, flags),
    masqueradeAll: flags.masqueradeAll ?? file.masqueradeAll,
    conntrack: conntrackFromFlags(file.conntrack, flags),
  };
}

function detectLocalWithFlags(file: DetectLocal, flags: ProxyFlags): DetectLocal {
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
