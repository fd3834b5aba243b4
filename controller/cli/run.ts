// portico run: the command line → RunOptions → the daemon.

import { writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { Command, Option } from "commander";
import {
  capturePortsFromText,
  collectCIDR,
  DEFAULT_RUN_DIR,
  defaultNodeName,
  durationMs,
  integerBetween,
  intervalMs,
  proxyConfigurationOf,
  type RunOptions,
  routeTableFromText,
  SERVICE_METRICS_MODES,
  type ServiceMetricsMode,
  type SourceOptions,
  shippedPlugin,
} from "../config.ts";
import type { ProxyConfiguration } from "../config-file.ts";
import { goDuration } from "../config-file-duration.ts";
import { kubeProxyConfigurationYaml } from "../config-file-write.ts";
import { runDaemon } from "../daemon/daemon.ts";
import { createLog, LOG_LEVELS, type LogLevel } from "../observe/log.ts";
import { type PageAddress, pageAddressFromText } from "../page/page-address.ts";
import type { CapturePorts } from "../xds/resources.ts";
import { addBridgeOptions, type BridgeFlags } from "./bridge-options.ts";
import {
  addConnectionOptions,
  type ConnectionFlags,
  tcpOptionsFromFlags,
} from "./connection-options.ts";
import { addFlowLogOptions, type FlowLogFlags, flowLogFromFlags } from "./flow-log-options.ts";
import { addProxyOptions, type ProxyFlags, proxyConfigurationFromFlags } from "./proxy-options.ts";

interface Flags extends ProxyFlags, FlowLogFlags, ConnectionFlags, BridgeFlags {
  writeConfigTo?: string;
  kubeconfig?: string;
  manifests?: string;
  nodeName: string;
  runDir: string;
  withEnvoy: boolean;
  twoEnvoys: boolean;
  envoyConcurrency: number;
  plugin: string;
  followPlugin?: string;
  watchPlugin: boolean;
  serviceCidr?: string[];
  serviceProxyName?: string;
  envoyHungAfter: number;
  capturePorts: CapturePorts;
  secondCapturePorts: CapturePorts;
  markBit: number;
  routeTable: number;
  rulePriority: number;
  minSyncPeriod: number;
  pageBindAddress?: PageAddress;
  syncPeriod: number;
  eventGrace: number;
  logLevel: LogLevel;
  serviceMetrics: ServiceMetricsMode;
}

export function runCommand(): Command {
  const command = new Command("run").description(
    "serve the Services of the cluster on this node.\n" +
      "Needs root (or CAP_NET_ADMIN) for nftables and routes. Stopping it leaves Envoy and the " +
      "kernel rules in place, so that Services go on working; `portico cleanup` removes them.",
  );
  addSourceOptions(command);
  addEnvoyOptions(command);
  addKernelOptions(command);
  addSyncOptions(command);
  addTrafficOptions(command);
  addConnectionOptions(command);
  addProxyOptions(command);
  return command.action(run);
}

/** A flag that is not given is what the configuration file says, if there is one. */
async function run(flags: Flags, command: Command): Promise<void> {
  const { configuration, text, warning } = await proxyConfigurationFromFlags(flags);
  const isDefault = (name: keyof Flags) => command.getOptionValueSource(name) === "default";
  const options = {
    ...optionsFromFlags(flags, configuration, isDefault),
    configFile: flags.config && text !== undefined ? { path: flags.config, text } : undefined,
  };
  refuseContradictions(options);
  if (warning !== undefined) createLog(options.logLevel).warn(warning);
  if (flags.writeConfigTo === undefined) return runDaemon(options);
  // A name that nobody gave is this machine's; the file may be for others.
  const nodeName = isDefault("nodeName") ? configuration.nodeName : flags.nodeName;
  const written = { ...proxyConfigurationOf(options), nodeName };
  await writeFile(flags.writeConfigTo, kubeProxyConfigurationYaml(written));
}

function refuseContradictions(options: RunOptions): void {
  refusePeriods(options);
  const { capturePorts, secondCapturePorts, redirectPorts } = options;
  const flags: [string, CapturePorts][] = [
    ["--capture-ports", capturePorts],
    ["--second-capture-ports", secondCapturePorts],
    ...redirectPorts.map((ports): [string, CapturePorts] => ["--redirect-ports", ports]),
  ];
  const flagOf = new Map<number, string>();
  for (const [flag, ports] of flags) {
    for (const port of Object.values(ports) as number[]) {
      const other = flagOf.get(port);
      if (other !== undefined) {
        throw new Error(`port ${port} is one of ${other} and of ${flag}; give three others`);
      }
      flagOf.set(port, flag);
    }
  }
}

/** As kube-proxy, which refuses the same of its file; a flag may contradict a file, too. */
function refusePeriods({ minSyncPeriodMs: least, syncPeriodMs: often }: RunOptions): void {
  if (least <= often) return;
  const periods = `${goDuration(least)} is longer than --sync-period ${goDuration(often)}`;
  throw new Error(`--min-sync-period ${periods}; give a shorter one`);
}

function addSourceOptions(command: Command): void {
  command
    .addOption(
      new Option(
        "--kubeconfig <file>",
        "reach the API server as this file says (default: the service account of the Pod)",
      ).conflicts("manifests"),
    )
    .option(
      "--manifests <dir>",
      "take Services, EndpointSlices, Pods and Nodes from the YAML files of a folder, watched " +
        "for changes; no cluster is needed",
    )
    .option(
      "--node-name <name>",
      "name of this node's Node object (kube-proxy: --hostname-override)",
      defaultNodeName(),
    )
    .option(
      "--service-cidr <cidr>",
      "a range of cluster IPs, besides those of the ServiceCIDR objects; may be repeated",
      collectCIDR,
    )
    .option(
      "--service-proxy-name <name>",
      "serve only Services whose label service.kubernetes.io/service-proxy-name has this value " +
        "(default: those without the label)",
    );
}

function addEnvoyOptions(command: Command): void {
  command
    .option("--run-dir <dir>", "folder for sockets and the loaded plugin", DEFAULT_RUN_DIR)
    .option(
      "--with-envoy",
      "start and supervise Envoy too ($ENVOY, `envoy` on PATH, or downloaded once); it goes on " +
        "serving when this process ends",
      false,
    )
    .addOption(
      new Option(
        "--two-envoys",
        "somebody else starts two Envoys (`portico bootstrap --slot a`, `--slot b`), and starts " +
          "each again when it ends: one serves, the other stands by for `portico envoy replace`",
      )
        .default(false)
        .conflicts("withEnvoy"),
    )
    .option(
      "--envoy-concurrency <n>",
      "worker threads of Envoy; 0 means one for each core",
      integerBetween(0, 1024),
      0,
    )
    .addOption(
      withDefault(
        "--envoy-hung-after <duration>",
        "kill and restart an Envoy whose admin interface gives no answer for so long; 0s: never",
        durationMs,
        "30s",
      ),
    )
    .option("--plugin <file>", "the plugin to start with", shippedPlugin())
    .option(
      "--follow-plugin <file>",
      "load this plugin whenever the file appears or changes, such as that of a mounted " +
        "ConfigMap; while there is none, the one to start with serves",
    )
    .option("--watch-plugin", "for development: recompile and reload on saving a source", false);
}

/** What of the kernel's an operator may change; see capture/options.ts. */
export function addKernelOptions(command: Command): void {
  command
    .addOption(
      withDefault(
        "--capture-ports <keep,masquerade,local>",
        "ports of Envoy's capture listeners: source address kept, masqueraded, local backends " +
          "only; the kernel rules refuse whoever dials them directly",
        capturePortsFromText,
        "15401,15402,15403",
      ),
    )
    .addOption(
      withDefault(
        "--second-capture-ports <keep,masquerade,local>",
        "the same of an Envoy that `portico envoy replace` starts beside the present one, to " +
          "take its place; the next one has the first ports again",
        capturePortsFromText,
        "15411,15412,15413",
      ),
    )
    .option("--mark-bit <n>", "bit (0-31) of packet and conntrack marks", integerBetween(0, 31), 12)
    .option(
      "--route-table <n>",
      "routing table that makes marked packets local",
      routeTableFromText,
      4100,
    )
    .option("--rule-priority <n>", "priority of the ip rule", integerBetween(1, 32_765), 1);
  addBridgeOptions(command);
}

function addSyncOptions(command: Command): void {
  command
    .addOption(
      withDefault(
        "--min-sync-period <duration>",
        "least time between two syncs; changes that come closer together share one",
        durationMs,
        "5ms",
      ),
    )
    .addOption(
      withDefault(
        "--sync-period <duration>",
        "how often to look whether somebody changed the rules or the table behind our back",
        intervalMs,
        "30s",
      ),
    )
    .addOption(
      withDefault(
        "--event-grace <duration>",
        "how long a Service may be without endpoints before an Event tells its owner",
        durationMs,
        "1m",
      ),
    )
    .addOption(
      new Option("--log-level <level>", "how much to log").choices(LOG_LEVELS).default("info"),
    )
    .option(
      "--page-bind-address <ip:port|path>",
      "serve the live page on a loopback address, such as 127.0.0.1:8081, or on a Unix socket; " +
        "for reading only, and without login (default: nowhere)",
      pageAddressFromText,
    );
}

function addTrafficOptions(command: Command): void {
  command.addOption(
    new Option(
      "--service-metrics <what>",
      "whose connections and bytes /metrics tells: of no Service, of each, or of each and its " +
        "backends",
    )
      .choices(SERVICE_METRICS_MODES)
      .default("service"),
  );
  addFlowLogOptions(command);
}

/** Shows its default as people type it. */
function withDefault<T>(flags: string, what: string, parse: (text: string) => T, text: string) {
  return new Option(flags, what).argParser(parse).default(parse(text), text);
}

function optionsFromFlags(
  flags: Flags,
  configuration: ProxyConfiguration,
  isDefault: (name: keyof Flags) => boolean,
): RunOptions {
  const { nodeName, markBit, minSyncPeriodMs, syncPeriodMs, logLevel } = configuration;
  const either = <T>(name: keyof Flags, given: T, ofFile: T | undefined): T =>
    isDefault(name) ? (ofFile ?? given) : given;
  return {
    ...configuration,
    source: sourceFromFlags(flags, configuration.kubeconfig),
    nodeName: either("nodeName", flags.nodeName, nodeName),
    configFile: undefined,
    runDir: resolve(flags.runDir),
    logLevel: either("logLevel", flags.logLevel, logLevel),
    pluginFile: resolve(flags.plugin),
    followedPlugin: flags.followPlugin && resolve(flags.followPlugin),
    watchPlugin: flags.watchPlugin,
    withEnvoy: flags.withEnvoy,
    twoEnvoys: flags.twoEnvoys,
    envoyConcurrency: flags.envoyConcurrency,
    envoyHungAfterMs: flags.envoyHungAfter,
    capturePorts: flags.capturePorts,
    secondCapturePorts: flags.secondCapturePorts,
    bridgeCapture: flags.bridgeCapture,
    redirectPorts: flags.redirectPorts,
    markBit: either("markBit", flags.markBit, markBit),
    routeTable: flags.routeTable,
    rulePriority: flags.rulePriority,
    serviceCIDRs: flags.serviceCidr ?? [],
    serviceProxyName: flags.serviceProxyName,
    minSyncPeriodMs: either("minSyncPeriod", flags.minSyncPeriod, minSyncPeriodMs),
    pageAddress: flags.pageBindAddress,
    syncPeriodMs: either("syncPeriod", flags.syncPeriod, syncPeriodMs),
    eventGraceMs: flags.eventGrace,
    serviceMetrics: flags.serviceMetrics,
    flowLog: flowLogFromFlags(flags),
    tcp: tcpOptionsFromFlags(flags),
  };
}

function sourceFromFlags(flags: Flags, kubeconfigOfFile: string | undefined): SourceOptions {
  const { manifests, kubeconfig = kubeconfigOfFile } = flags;
  if (manifests !== undefined) return { kind: "manifests", directory: resolve(manifests) };
  if (kubeconfig !== undefined) return { kind: "kubeconfig", file: resolve(kubeconfig) };
  return { kind: "in-cluster" };
}
