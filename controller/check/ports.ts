// Facts → which programs listen where Portico would. Pure. A listener counts as Portico's own when
// Portico runs.

import { redirectsBridges } from "../capture/bridge-plan.ts";
import { cidrContains } from "../model/ip.ts";
import { UDP_LISTENER_CIDRS } from "../xds/udp-address-book.ts";
import type { CheckSettings, Listener, NodeFacts } from "./facts.ts";
import { type Finding, listed } from "./finding.ts";

const WILDCARDS = ["0.0.0.0", "::"];

/**
 * Reports ports of Envoy and of the controller that another program uses. Ports of a Portico that
 * is on the node count as free.
 */
export function portFindings(facts: NodeFacts, settings: CheckSettings): Finding[] {
  // A Portico that runs, or ran, has Envoy there.
  const hasEnvoy = (facts.nft?.tables ?? []).some(({ name }) => name === "portico");
  const findings = [
    ...(hasEnvoy ? [] : captureFindings(facts, settings)),
    ...serverFindings(facts, settings),
  ];
  if (findings.length > 0) return findings;
  const { udpPort, healthzPort, metricsPort } = settings;
  const ports = [...envoyPorts(facts, settings), udpPort, healthzPort, metricsPort];
  const seen = listed(ports.filter((port) => port !== undefined).map(String), 9);
  const what = hasEnvoy ? "Portico itself uses the ports" : "the ports that Portico needs are free";
  return [{ level: "ok", what, seen, todo: "", show: "ss -ltun" }];
}

/** Returns the TCP ports. */
function envoyPorts({ hookOrder }: NodeFacts, settings: CheckSettings): readonly number[] {
  const { capturePorts, redirectPorts, bridgeCapture } = settings;
  const redirects = redirectsBridges(bridgeCapture, hookOrder);
  return redirects ? [...capturePorts, ...redirectPorts] : capturePorts;
}

function captureFindings(facts: NodeFacts, settings: CheckSettings): Finding[] {
  const { listeners } = facts;
  const { udpPort } = settings;
  const ports = envoyPorts(facts, settings);
  const taken = listeners.filter(
    ({ protocol, port }) => protocol === "TCP" && ports.includes(port),
  );
  const takenUDP = listeners.filter(
    ({ protocol, port, address }) =>
      protocol === "UDP" &&
      port === udpPort &&
      (WILDCARDS.includes(address) ||
        UDP_LISTENER_CIDRS.some((cidr) => cidrContains(cidr, address))),
  );
  return [
    ...taken.map((listener): Finding => {
      const flag = settings.capturePorts.includes(listener.port) ? "capture" : "redirect";
      const todo = `stop that program, or set other --${flag}-ports for portico run`;
      return takenPort("a capture port of Envoy is in use", listener, "blocker", todo);
    }),
    ...takenUDP.map((listener): Finding => {
      const what = "the port of Envoy's UDP listeners is in use";
      return takenPort(what, listener, "blocker", "stop that program");
    }),
  ];
}

function serverFindings(facts: NodeFacts, settings: CheckSettings): Finding[] {
  const { listeners, porticoRuns, processes, proxyMode } = facts;
  if (porticoRuns) return [];
  const isKubeProxy =
    processes.includes("kube-proxy") || ["nftables", "iptables", "ipvs"].includes(proxyMode ?? "");
  const servers = [
    { name: "health", port: settings.healthzPort, flag: "--healthz-bind-address" },
    { name: "metrics", port: settings.metricsPort, flag: "--metrics-bind-address" },
  ];
  return servers.flatMap(({ name, port, flag }) => {
    const taken = listeners.find((each) => each.protocol === "TCP" && each.port === port);
    if (taken === undefined) return [];
    const what = `the ${name} port is ${isKubeProxy ? "kube-proxy's" : "in use"}`;
    const todo = isKubeProxy
      ? `Portico takes it over when kube-proxy has stopped; or set another ${flag}`
      : `stop that program, or set another ${flag} for portico run`;
    return [takenPort(what, taken, isKubeProxy ? "note" : "warning", todo)];
  });
}

function takenPort(
  what: string,
  { protocol, address, port }: Listener,
  level: Finding["level"],
  todo: string,
): Finding {
  const option = protocol === "TCP" ? "t" : "u";
  const where = address.includes(":") ? `[${address}]` : address;
  const seen = `${protocol} ${where}:${port}`;
  return { level, what, seen, todo, show: `ss -l${option}np 'sport = :${port}'` };
}
