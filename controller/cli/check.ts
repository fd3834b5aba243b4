// portico check: is this node ready for Portico? Reads it, and changes nothing.

import { Command, Option } from "commander";
import { DEFAULT_CAPTURE_OPTIONS, FIXED_MARK_BITS, type PolicyHook } from "../capture/options.ts";
import { UPSTREAM_ZONE_NUMBER } from "../capture/upstream-zone.ts";
import { checkNode } from "../check/check-node.ts";
import type { CheckSettings } from "../check/facts.ts";
import { countOf, type Finding, sortedFindings } from "../check/finding.ts";
import { thisMachine } from "../check/machine.ts";
import { readNode } from "../check/read-node.ts";
import type { ProxyConfiguration } from "../config/config-file.ts";
import { collectCIDR } from "../config/flag-values.ts";
import { accessFromFile } from "../kubeconfig/load.ts";
import { serviceCIDRFromObject } from "../model/from-service-cidr.ts";
import { PORTICO_VERSION } from "../system/version.ts";
import { KubernetesApi } from "../watch/kubernetes-api.ts";
import type { CapturePorts } from "../xds/resources.ts";
import type { BridgeFlags } from "./bridge-options.ts";
import { proxyConfigurationFromFlags } from "./proxy-options.ts";
import { addKernelOptions } from "./run.ts";
import { schedulerLine } from "./service-defaults.ts";

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
  policyHook: PolicyHook;
  strict?: true;
  output?: string;
}

/** Returns the command `portico check`, which needs no controller and changes nothing. */
export function checkCommand(): Command {
  const command = new Command("check")
    .summary("check whether Portico would work on this node")
    .description(
      "check whether Portico would work on this node, and report what is in the way: " +
        "kube-proxy, running or left over, in each of its modes; other proxies; missing kernel " +
        "features; addresses, marks, routes and ports that other programs use; settings and " +
        "packet filters.\n" +
        "Changes nothing. Prints one line per finding: level, what, the value found, what to do, " +
        "and the command that shows it. Levels: blocker (Services would not work), warning (look " +
        "at it first), note, ok.\n" +
        "Exit code: 0 without blockers, 2 with a blocker, 1 with --strict and a warning, or when " +
        "the check itself fails. Run it as root, with the flags of portico run. To replace " +
        "kube-proxy, see deploy/MIGRATION.md.",
    )
    .option("--config <file>", "the KubeProxyConfiguration for portico run")
    .option("--kubeconfig <file>", "read the Service CIDRs from this API server")
    .option(
      "--service-cidr <cidr>",
      "a range of cluster IPs, if neither the API server nor kube-proxy's rules provide it; " +
        "repeatable",
      collectCIDR,
    )
    .option("--masquerade-all", "check for portico run --masquerade-all");
  addKernelOptions(command);
  return command
    .option("--strict", "exit with 1 on warnings")
    .addOption(
      new Option("-o, --output <format>", "output format instead of text").choices(["json"]),
    )
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
    fixedMarkBits: FIXED_MARK_BITS,
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
    policyHook: flags.policyHook,
    ipvsScheduler: schedulerLine({ ejection: "on" }, configuration.ipvsScheduler),
  };
}

/** Returns them as the API server has them; when it does not say, a finding reports why. */
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
    const todo =
      "make sure that this node reaches it without any Service: portico run needs that too";
    const what = "cannot read the Service CIDRs from the API server";
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
  if (blockers > 0) return `not safe to proceed: ${blockers} blocker${blockers > 1 ? "s" : ""}`;
  if (warnings === 0) return "safe to proceed";
  return `safe to proceed; review ${warnings} warning${warnings > 1 ? "s" : ""} first`;
}

function asJson(findings: readonly Finding[]): string {
  const isSafe = countOf("blocker", findings) === 0;
  return `${JSON.stringify({ safe: isSafe, findings }, null, 2)}\n`;
}

function exitCodeOf(findings: readonly Finding[], isStrict: boolean): number {
  if (countOf("blocker", findings) > 0) return HAS_BLOCKER;
  return isStrict && countOf("warning", findings) > 0 ? 1 : 0;
}
