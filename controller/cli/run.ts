// portico run: the command line → RunOptions → the daemon.

import { writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { Command, Option } from "commander";
import { FIXED_MARK_BITS, type PolicyHook } from "../capture/options.ts";
import type { ProxyConfiguration } from "../config/config-file.ts";
import { goDuration } from "../config/config-file-duration.ts";
import { kubeProxyConfigurationYaml } from "../config/config-file-write.ts";
import {
  capturePortsFromText,
  collectCIDR,
  durationMs,
  integerBetween,
  intervalMs,
  routeTableFromText,
} from "../config/flag-values.ts";
import { type PageAddress, pageAddressFromText } from "../config/page-address.ts";
import {
  DEFAULT_RUN_DIR,
  defaultNodeName,
  proxyConfigurationOf,
  type RunOptions,
  SERVICE_METRICS_MODES,
  type ServiceMetricsMode,
  type SourceOptions,
  shippedPlugin,
} from "../config/run-options.ts";
import { runDaemon } from "../daemon/daemon.ts";
import { createLog, LOG_LEVELS, type LogLevel } from "../observe/log.ts";
import type { CapturePorts, RedirectPorts } from "../xds/resources.ts";
import { addBridgeOptions, type BridgeFlags } from "./bridge-options.ts";
import {
  addConnectionOptions,
  type ConnectionFlags,
  tcpOptionsFromFlags,
} from "./connection-options.ts";
import { addFlowLogOptions, type FlowLogFlags, flowLogFromFlags } from "./flow-log-options.ts";
import { allowOpenPoliciesOption, policyHookOption } from "./policy-options.ts";
import { addProxyOptions, type ProxyFlags, proxyConfigurationFromFlags } from "./proxy-options.ts";
import {
  addServiceDefaults,
  type ServiceDefaultFlags,
  schedulerLine,
  serviceDefaultsFromFlags,
} from "./service-defaults.ts";

interface Flags
  extends ProxyFlags,
    FlowLogFlags,
    ConnectionFlags,
    BridgeFlags,
    ServiceDefaultFlags {
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
  functions?: string;
  watchPlugin: boolean;
  serviceCidr?: string[];
  serviceProxyName?: string;
  envoyHungAfter: number;
  capturePorts: CapturePorts;
  secondCapturePorts: CapturePorts;
  markBit: number;
  routeTable: number;
  rulePriority: number;
  policyHook: PolicyHook;
  allowOpenPolicies: boolean;
  minSyncPeriod: number;
  pageBindAddress?: PageAddress;
  syncPeriod: number;
  eventGrace: number;
  logLevel: LogLevel;
  serviceMetrics: ServiceMetricsMode;
}

/** Returns the command `portico run`, the controller itself. */
export function runCommand(): Command {
  const command = new Command("run")
    .summary("serve the cluster's Services on this node")
    .description(
      "serve the cluster's Services on this node.\n" +
        "Needs root (or CAP_NET_ADMIN) for nftables and routes. Stopping it leaves Envoy and the " +
        "kernel rules in place, so Services keep working; `portico cleanup` removes them.",
    );
  addSourceOptions(command);
  addEnvoyOptions(command);
  addKernelOptions(command);
  command.addOption(allowOpenPoliciesOption());
  addSyncOptions(command);
  addTrafficOptions(command);
  addConnectionOptions(command);
  addServiceDefaults(command);
  addProxyOptions(command);
  return command.action(run);
}

/** Takes a flag that is not given from the configuration file, if there is one. */
async function run(flags: Flags, command: Command): Promise<void> {
  const { configuration, text, warning } = await proxyConfigurationFromFlags(flags);
  const isDefault = (name: keyof Flags) => command.getOptionValueSource(name) === "default";
  const options = {
    ...optionsFromFlags(flags, configuration, isDefault),
    configFile: flags.config && text !== undefined ? { path: flags.config, text } : undefined,
  };
  refuseContradictions(options);
  if (warning !== undefined) createLog(options.logLevel).warn(warning);
  const scheduler = schedulerLine(flags, configuration.ipvsScheduler);
  if (scheduler !== undefined) createLog(options.logLevel).info(scheduler);
  if (flags.writeConfigTo === undefined) return runDaemon(options);
  // The default name is this machine's; the written file may be for others.
  const nodeName = isDefault("nodeName") ? configuration.nodeName : flags.nodeName;
  const written = { ...proxyConfigurationOf(options), nodeName };
  await writeFile(flags.writeConfigTo, kubeProxyConfigurationYaml(written));
}

function refuseContradictions(options: RunOptions): void {
  refusePeriods(options);
  refuseMarkBit(options);
  const { capturePorts, secondCapturePorts, redirectPorts } = options;
  const flags: [string, RedirectPorts][] = [
    ["--capture-ports", capturePorts],
    ["--second-capture-ports", secondCapturePorts],
    ...redirectPorts.map((ports): [string, RedirectPorts] => ["--redirect-ports", ports]),
  ];
  const flagOf = new Map<number, string>();
  for (const [flag, ports] of flags) {
    for (const port of Object.values(ports) as number[]) {
      const other = flagOf.get(port);
      if (other !== undefined) {
        throw new Error(`port ${port} is in both ${other} and ${flag}; choose different ports`);
      }
      flagOf.set(port, flag);
    }
  }
}

/** Refuses what kube-proxy refuses in its file; here a flag may contradict a file, too. */
function refusePeriods({ minSyncPeriodMs: least, syncPeriodMs: often }: RunOptions): void {
  if (least <= often) return;
  const periods = `${goDuration(least)} is longer than --sync-period ${goDuration(often)}`;
  throw new Error(`--min-sync-period ${periods}; set a shorter one`);
}

/** Refuses a fixed bit, from the flag or from a KubeProxyConfiguration's masqueradeBit. */
function refuseMarkBit({ markBit }: RunOptions): void {
  if (!FIXED_MARK_BITS.includes(2 ** markBit)) return;
  throw new Error(
    `Portico uses bit ${markBit} of packet marks for its own connections; set --mark-bit, or ` +
      "masqueradeBit in the configuration, to another, such as 12",
  );
}

function addSourceOptions(command: Command): void {
  command
    .addOption(
      new Option(
        "--kubeconfig <file>",
        "kubeconfig for the API server (default: the Pod's service account)",
      ).conflicts("manifests"),
    )
    .option(
      "--manifests <dir>",
      "read Services, EndpointSlices, Pods and Nodes from the YAML files of a directory, " +
        "watched for changes, instead of a cluster",
    )
    .option(
      "--node-name <name>",
      "name of this node's Node object (kube-proxy: --hostname-override)",
      defaultNodeName(),
    )
    .option(
      "--service-cidr <cidr>",
      "a range of cluster IPs, in addition to the ServiceCIDR objects; repeatable",
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
    .option("--run-dir <dir>", "directory for sockets and the loaded plugin", DEFAULT_RUN_DIR)
    .option(
      "--with-envoy",
      "also start and supervise Envoy ($ENVOY, `envoy` on PATH, or downloaded once); it keeps " +
        "serving when this process exits",
      false,
    )
    .addOption(
      new Option(
        "--two-envoys",
        "use two Envoys that another process starts and restarts (`portico bootstrap --slot " +
          "a`, `--slot b`): one serves, the other stands by for `portico envoy replace`",
      )
        .default(false)
        .conflicts("withEnvoy"),
    )
    .option(
      "--envoy-concurrency <n>",
      "number of Envoy worker threads; 0: one per CPU core",
      integerBetween(0, 1024),
      0,
    )
    .addOption(
      withDefault(
        "--envoy-hung-after <duration>",
        "kill and restart an Envoy whose admin interface does not answer for this long; 0s: never",
        durationMs,
        "30s",
      ),
    )
    .option("--plugin <file>", "plugin to start with", shippedPlugin())
    .option(
      "--follow-plugin <file>",
      "load this plugin whenever the file appears or changes, for example from a mounted " +
        "ConfigMap; without the file, the plugin to start with serves",
    )
    .option(
      "--functions <dir>",
      "folder of functions (NAME.wasm, NAME.wasm.map), for example a mounted ConfigMap, that " +
        "Services may choose with the annotation portico.dev/pick; followed while it runs",
    )
    .option(
      "--watch-plugin",
      "for development: recompile and reload the plugin when a source file is saved",
      false,
    );
}

/** Adds the flags for what an operator may change in the kernel; see capture/options.ts. */
export function addKernelOptions(command: Command): void {
  command
    .addOption(
      withDefault(
        "--capture-ports <keep,host,local,masquerade>",
        "ports of Envoy's capture listeners: client address kept; connections of the host; " +
          "local backends only; masqueraded by the kernel (15404 if only three are given). The " +
          "kernel rules refuse clients that dial them directly",
        capturePortsFromText(15_404),
        "15401,15402,15403,15404",
      ),
    )
    .addOption(
      withDefault(
        "--second-capture-ports <keep,host,local,masquerade>",
        "the same ports for the Envoy that `portico envoy replace` starts to take over; " +
          "replacements alternate between the two sets",
        capturePortsFromText(15_414),
        "15411,15412,15413,15414",
      ),
    )
    .option(
      "--mark-bit <n>",
      "bit (0-31) of packet and conntrack marks to use",
      integerBetween(0, 31),
      12,
    )
    .option(
      "--route-table <n>",
      "routing table that makes marked packets local; the next number is used too",
      routeTableFromText,
      4100,
    )
    .option(
      "--rule-priority <n>",
      "priority of the ip rule that selects this table",
      integerBetween(1, 32_765),
      1,
    );
  addBridgeOptions(command);
  command.addOption(policyHookOption());
}

function addSyncOptions(command: Command): void {
  command
    .addOption(
      withDefault(
        "--min-sync-period <duration>",
        "minimum time between two syncs; changes within it are applied together",
        durationMs,
        "5ms",
      ),
    )
    .addOption(
      withDefault(
        "--sync-period <duration>",
        "how often to check for external changes to the kernel rules or the service table",
        intervalMs,
        "30s",
      ),
    )
    .addOption(
      withDefault(
        "--event-grace <duration>",
        "how long a Service may be without endpoints before an Event reports it",
        durationMs,
        "1m",
      ),
    )
    .addOption(
      new Option("--log-level <level>", "minimum level to log").choices(LOG_LEVELS).default("info"),
    )
    .option(
      "--page-bind-address <ip:port|path>",
      "serve the live page on a loopback address, such as 127.0.0.1:8081, or on a Unix socket; " +
        "read-only, no login (default: off)",
      pageAddressFromText,
    );
}

function addTrafficOptions(command: Command): void {
  command.addOption(
    new Option(
      "--service-metrics <what>",
      "connections and bytes in /metrics: for no Service, per Service, or per Service and backend",
    )
      .choices(SERVICE_METRICS_MODES)
      .default("service"),
  );
  addFlowLogOptions(command);
}

/** Returns an option that shows its default as operators type it. */
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
    functionsFolder: flags.functions && resolve(flags.functions),
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
    policyHook: flags.policyHook,
    allowOpenPolicies: flags.allowOpenPolicies,
    serviceCIDRs: flags.serviceCidr ?? [],
    serviceProxyName: flags.serviceProxyName,
    minSyncPeriodMs: either("minSyncPeriod", flags.minSyncPeriod, minSyncPeriodMs),
    pageAddress: flags.pageBindAddress,
    syncPeriodMs: either("syncPeriod", flags.syncPeriod, syncPeriodMs),
    eventGraceMs: flags.eventGrace,
    serviceMetrics: flags.serviceMetrics,
    flowLog: flowLogFromFlags(flags),
    tcp: tcpOptionsFromFlags(flags),
    defaults: serviceDefaultsFromFlags(flags, configuration.ipvsScheduler),
  };
}

function sourceFromFlags(flags: Flags, kubeconfigOfFile: string | undefined): SourceOptions {
  const { manifests, kubeconfig = kubeconfigOfFile } = flags;
  if (manifests !== undefined) return { kind: "manifests", directory: resolve(manifests) };
  if (kubeconfig !== undefined) return { kind: "kubeconfig", file: resolve(kubeconfig) };
  return { kind: "in-cluster" };
}
