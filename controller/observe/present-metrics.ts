// The state at the time of a scrape → gauges, and counters that others keep.

import { Counter, Gauge, type Registry } from "prom-client";
import type { EjectedNow } from "./ejection-watch.ts";
import type { EnvoyRoom } from "./envoy-room.ts";
import type { LocalPolicyGap } from "./local-policy-gaps.ts";

export interface Figures {
  /** 0: Envoy has no complete table. */
  tableVersion: number;
  frontends: number;
  /** Of all frontends: one that two frontends share counts twice. */
  backends: number;
  services: number;
  envoysConnected: number;
  /** First 12 hex digits of the SHA-256 of the active plugin; empty for none. */
  pluginBuild: string;
  /** Present problems by the part of the controller that reports them. */
  problems: ReadonlyMap<string, number>;
  /** `restarts`: requests repeated after a fault. */
  watches: readonly { kind: string; synced: boolean; restarts: number }[];
  localPolicyGaps: readonly LocalPolicyGap[];
  /** Undefined: the active Envoy has not been asked yet, or did not answer. */
  envoyRoom: EnvoyRoom | undefined;
  /** Undefined: the plugin has not been asked yet, did not answer, or does not eject. */
  ejected: EjectedNow | undefined;
}

type Sample = readonly [labels: Readonly<Record<string, string>>, value: number];

interface Metric {
  name: string;
  help: string;
  labelNames: string[];
  /** Absent: it is a gauge. */
  isCounter?: boolean;
  samples: (figures: Figures) => Iterable<Sample>;
}

const METRICS: readonly Metric[] = [
  single("portico_table_version", "Version of Envoy's service table; 0 for none", (figures) => {
    return figures.tableVersion;
  }),
  single("portico_frontends", "Frontends that this node serves", ({ frontends }) => frontends),
  single("portico_backends", "Backends of all frontends", ({ backends }) => backends),
  single("portico_services", "Services in the cluster", ({ services }) => services),
  single("portico_envoys_connected", "Envoys connected to this controller", (figures) => {
    return figures.envoysConnected;
  }),
  ofEnvoy("connections", "TCP connections that Envoy has open", ({ open }) => open.tcp),
  ofEnvoy("connections_limit", "TCP connections that Envoy's descriptors suffice for", (room) => {
    return room.limit;
  }),
  {
    ...ofEnvoy(
      "connections_refused_total",
      "TCP connections that Envoy closed at once, because it had as many as it can",
      ({ refused }) => refused.tcp,
    ),
    isCounter: true,
  },
  ofEnvoy("udp_flows", "UDP flows that Envoy has open", ({ open }) => open.udpFlows),
  {
    ...ofEnvoy(
      "udp_flows_refused_total",
      "Datagrams that got no UDP flow, because their list of endpoints had as many as it may",
      ({ refused }) => [...refused.udp.values()].reduce((sum, each) => sum + each, 0),
    ),
    isCounter: true,
  },
  {
    name: "portico_backends_ejected",
    help: "Backends that new connections leave alone, for all clients or for one alone",
    labelNames: ["for"],
    samples: ({ ejected }) =>
      ejected
        ? [
            [{ for: "all" }, ejected.forAll],
            [{ for: "one-client" }, ejected.forOneClient],
          ]
        : [],
  },
  {
    name: "portico_plugin_info",
    help: "The active plugin, by build",
    labelNames: ["build"],
    samples: ({ pluginBuild: build }) => (build === "" ? [] : [[{ build }, 1]]),
  },
  {
    name: "portico_problems",
    help: "Current problems, by the part that reports them; `portico doctor` lists them",
    labelNames: ["source"],
    samples: ({ problems }) => [...problems].map(([source, count]) => [{ source }, count]),
  },
  {
    name: "portico_watch_synced",
    help: "Whether a kind has been listed completely",
    labelNames: ["kind"],
    samples: ({ watches }) => watches.map(({ kind, synced }) => [{ kind }, synced ? 1 : 0]),
  },
  {
    name: "portico_watch_restarts_total",
    help: "Requests for a kind that were retried after a failure",
    labelNames: ["kind"],
    isCounter: true,
    samples: ({ watches }) => watches.map(({ kind, restarts }) => [{ kind }, restarts]),
  },
  {
    name: "kubeproxy_sync_proxy_rules_no_local_endpoints_total",
    help: "Service ports with a Local traffic policy and no endpoint on this node",
    labelNames: ["traffic_policy", "ip_family"],
    samples: ({ localPolicyGaps }) => countedGaps(localPolicyGaps),
  },
];

export class PresentMetrics {
  readonly #show: ((figures: Figures) => void)[];

  constructor(registry: Registry) {
    this.#show = METRICS.map(({ isCounter, samples, ...rest }) => {
      const configuration = { ...rest, registers: [registry] };
      if (isCounter) {
        const counter = new Counter(configuration);
        return (figures) => {
          counter.reset();
          for (const [labels, value] of samples(figures)) counter.inc({ ...labels }, value);
        };
      }
      const gauge = new Gauge(configuration);
      return (figures) => {
        gauge.reset();
        for (const [labels, value] of samples(figures)) gauge.set({ ...labels }, value);
      };
    });
  }

  show(figures: Figures): void {
    for (const show of this.#show) show(figures);
  }
}

function single(name: string, help: string, value: (figures: Figures) => number): Metric {
  return { name, help, labelNames: [], samples: (figures) => [[{}, value(figures)]] };
}

/** Without a sample while Envoy does not answer. */
function ofEnvoy(
  name: string,
  help: string,
  value: (room: EnvoyRoom) => number | undefined,
): Metric {
  const samples = ({ envoyRoom }: Figures): Sample[] => {
    const found = envoyRoom && value(envoyRoom);
    return found === undefined ? [] : [[{}, found]];
  };
  return { name: `portico_envoy_${name}`, help, labelNames: [], samples };
}

/** Includes zeros: kube-proxy always has all four. */
function countedGaps(gaps: readonly LocalPolicyGap[]): Sample[] {
  const samples: Sample[] = [];
  for (const ip_family of ["IPv4", "IPv6"]) {
    for (const traffic_policy of ["internal", "external"]) {
      const isSo = ({ family, policy }: LocalPolicyGap) =>
        family === ip_family && policy === traffic_policy;
      samples.push([{ traffic_policy, ip_family }, gaps.filter(isSo).length]);
    }
  }
  return samples;
}
