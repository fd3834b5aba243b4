// portico check: is this node fit for Portico? Reads it, and changes nothing.

import { Command, Option } from "commander";
import { DEFAULT_CAPTURE_OPTIONS } from "../capture/options.ts";
import { UPSTREAM_ZONE_NUMBER } from "../capture/upstream-zone.ts";
import { checkNode } from "../check/check-node.ts";
import type { CheckSettings } from "../check/facts.ts";
import { countOf, type Finding, sortedFindings } from "../check/finding.ts";
import { thisMachine } from "../check/machine.ts";
import { readNode } from "../check/read-node.ts";
import { collectCIDR } from "../config.ts";
import type { ProxyConfiguration } from "../config-file.ts";
import { PORTICO_VERSION } from "../daemon/version.ts";
import { accessFromFile } from "../kubeconfig/load.ts";
import { serviceCIDRFromObject } from "../model/from-service-cidr.ts";
import { KubernetesApi } from "../watch/kubernetes-api.ts";
import type { CapturePorts } from "../xds/resources.ts";
import type { BridgeFlags } from "./bridge-options.ts";
import { proxyConfigurationFromFlags } from "./proxy-options.ts";
import { addKernelOptions } from "./run.ts";

const HAS_BLOCKER = 2;
const PATIENCE_MS = 10_000;

interface Flags extends BridgeFlags {
  config?: string;
  kubeconfig?: string;
  serviceCidr?: string[];
  masqueradeAll?: true;
  capturePorts: CapturePorts;
  secondCapturePorts: CapturePorts;
  markBit: number;
  routeTable: number;
  rulePriority: number;
  strict?: true;
  output?: string;
}

export function checkCommand(): Command {
  const command = new Command("check")
    .description(
      "tell whether Portico would work on this node, and what is in its way: kube-proxy, " +
        "running or left over, in each of its modes; other proxies; what the kernel lacks; " +
        "addresses, marks, routes and ports that somebody else uses; settings and filters.\n" +
        "It changes nothing. One line for each finding: level, what, the value seen, what to " +
        "do, and the command that shows it. Levels: blocker (Services would not work), " +
        "warning (look at it first), note, ok.\n" +
        "Exit code: 0 when there is no blocker, 2 when there is one, 1 when --strict is given " +
        "and there is a warning, or when the check itself fails. Run it as root, with the " +
        "flags that portico run gets. deploy/MIGRATION.md tells how to replace kube-proxy.",
    )
    .option("--config <file>", "the KubeProxyConfiguration that portico run gets")
    .option("--kubeconfig <file>", "ask this API server for the Service CIDRs")
    .option(
      "--service-cidr <cidr>",
      "a range of cluster IPs, if neither API server nor kube-proxy's rules tell; may be repeated",
      collectCIDR,
    )
    .option("--masquerade-all", "as portico run will be told");
  addKernelOptions(command);
  return command
    .option("--strict", "exit code 1 when there is a warning")
    .addOption(new Option("-o, --output <format>", "instead of lines").choices(["json"]))
    .action(check);
}

async function check(flags: Flags, command: Command): Promise<void> {
  const { configuration } = await proxyConfigurationFromFlags(flags);
  const isDefault = command.getOptionValueSource("markBit") === "default";
  const markBit = isDefault ? (configuration.markBit ?? flags.markBit) : flags.markBit;
  const settings = settingsFrom({ ...flags, markBit }, configuration);
  const { facts, serviceCIDRs: ofKubeProxy } = await readNode(thisMachine, settings);
  const { cidrs, problem } = await serviceCIDRsOf(flags.kubeconfig ?? configuration.kubeconfig);
  const known = new Set([...(flags.serviceCidr ?? []), ...cidrs, ...ofKubeProxy]);
  const findings = checkNode(facts, { ...settings, serviceCIDRs: [...known] });
  const all = sortedFindings([...findings, ...problem]);
  process.stdout.write(flags.output === "json" ? asJson(all) : asLines(all));
  process.exitCode = exitCodeOf(all, flags.strict ?? false);
}

function settingsFrom(flags: Flags, configuration: ProxyConfiguration): CheckSettings {
  const { detectLocal, healthzBindAddress, metricsBindAddress, masqueradeAll } = configuration;
  return {
    markBit: 2 ** flags.markBit,
    envoyMarkBit: DEFAULT_CAPTURE_OPTIONS.envoyMarkBit,
    routeTable: flags.routeTable,
    rulePriority: flags.rulePriority,
    zone: UPSTREAM_ZONE_NUMBER,
    bridgeCapture: flags.bridgeCapture,
    redirectPorts: flags.redirectPorts.flatMap((ports) => Object.values<number>({ ...ports })),
    capturePorts: [flags.capturePorts, flags.secondCapturePorts].flatMap(Object.values),
    udpPort: DEFAULT_CAPTURE_OPTIONS.udpPort,
    healthzPort: healthzBindAddress?.port,
    metricsPort: metricsBindAddress?.port,
    serviceCIDRs: [],
    clusterCIDRs: detectLocal.mode === "ClusterCIDR" ? detectLocal.cidrs : [],
    masqueradeAll,
  };
}

/** As the API server has them; when it does not say, a finding tells why. */
async function serviceCIDRsOf(
  kubeconfig: string | undefined,
): Promise<{ cidrs: string[]; problem: Finding[] }> {
  if (kubeconfig === undefined) return { cidrs: [], problem: [] };
  const path = "/apis/networking.k8s.io/v1/servicecidrs";
  try {
    const api = new KubernetesApi(() => accessFromFile(kubeconfig), `portico/${PORTICO_VERSION}`);
    const { status, body } = await api.get(path, {}, AbortSignal.timeout(PATIENCE_MS));
    const chunks = await Array.fromAsync(body);
    if (status !== 200) throw new Error(`status ${status}`);
    const { items } = JSON.parse(Buffer.concat(chunks).toString("utf8")) as { items: unknown[] };
    const cidrs = items.flatMap((item) => serviceCIDRFromObject(item).value?.cidrs ?? []);
    return { cidrs, problem: [] };
  } catch (error) {
    const seen = (error as Error).message;
    const todo = "see that this node reaches it without any Service: portico run needs it too";
    const what = "the API server does not tell the Service CIDRs";
    const show = `kubectl --kubeconfig ${kubeconfig} get servicecidrs`;
    return { cidrs: [], problem: [{ level: "warning", what, seen, todo, show }] };
  }
}

function asLines(findings: readonly Finding[]): string {
  const lines = findings.map(({ level, what, seen, todo, show }) => {
    const action = todo === "" ? "" : `; ${todo}`;
    return `${level.padEnd("blocker".length)}  ${what}: ${seen}${action}   [${show}]`;
  });
  return `${[...lines, "", verdict(findings)].join("\n")}\n`;
}

function verdict(findings: readonly Finding[]): string {
  const [blockers, warnings] = [countOf("blocker", findings), countOf("warning", findings)];
  if (blockers > 0) return `not safe to go on: ${blockers} blocker${blockers > 1 ? "s" : ""}`;
  if (warnings === 0) return "safe to go on";
  return `safe to go on, with ${warnings} warning${warnings > 1 ? "s" : ""} to look at first`;
}

function asJson(findings: readonly Finding[]): string {
  const isSafe = countOf("blocker", findings) === 0;
  return `${JSON.stringify({ safe: isSafe, findings }, null, 2)}\n`;
}

function exitCodeOf(findings: readonly Finding[], isStrict: boolean): number {
  if (countOf("blocker", findings) > 0) return HAS_BLOCKER;
  return isStrict && countOf("warning", findings) > 0 ? 1 : 0;
}
