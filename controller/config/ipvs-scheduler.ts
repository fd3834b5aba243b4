// A scheduler of IPVS, as a KubeProxyConfiguration of mode ipvs names it → the balancing that comes
// nearest. kube-proxy gives all backends the weight 1, so the weighted schedulers are as the plain
// ones there (pkg/proxy/ipvs, syncEndpoint).

import type { Balancing } from "../model/types.ts";

interface Nearest {
  balancing: Exclude<Balancing, "weighted">;
  /** What is different; undefined: nothing that a client could tell. */
  differs?: string;
}

/** kube-proxy's, where none is given. */
const DEFAULT_SCHEDULER = "rr";

const TWO_DRAWS = "of two backends drawn at random, not of all, the one with fewer connections";
const ONE_FOR_ALL = "the scheduler goes by the destination, which is one for a whole Service";

/** By the kernel's names (net/netfilter/ipvs). */
const NEAREST: Record<string, Nearest> = {
  rr: { balancing: "round-robin" },
  wrr: { balancing: "round-robin" },
  lc: { balancing: "least-connections", differs: TWO_DRAWS },
  wlc: { balancing: "least-connections", differs: TWO_DRAWS },
  sed: { balancing: "least-connections", differs: TWO_DRAWS },
  nq: { balancing: "least-connections", differs: TWO_DRAWS },
  twos: { balancing: "least-connections" },
  lblc: { balancing: "least-connections", differs: ONE_FOR_ALL },
  lblcr: { balancing: "least-connections", differs: ONE_FOR_ALL },
  sh: { balancing: "client-hash", differs: "fewer clients move when backends come and go" },
  mh: { balancing: "client-hash", differs: "fewer clients move when backends come and go" },
  dh: { balancing: "random", differs: ONE_FOR_ALL },
  fo: { balancing: "random", differs: "with equal weights it uses one backend only" },
  ovf: { balancing: "random", differs: "with equal weights it fills one backend after the other" },
};

const UNKNOWN: Nearest = { balancing: "random", differs: "this scheduler is unknown" };

/** Returns the nearest balancing for an ipvs.scheduler ("": none is given), and a line on it. */
export function nearestToScheduler(scheduler: string): {
  balancing: Nearest["balancing"];
  text: string;
} {
  const name = scheduler === "" ? DEFAULT_SCHEDULER : scheduler;
  const { balancing, differs } = (Object.hasOwn(NEAREST, name) && NEAREST[name]) || UNKNOWN;
  const near = differs === undefined ? "the same" : `the nearest: ${differs}`;
  return { balancing, text: `ipvs.scheduler ${name} becomes --balancing ${balancing}, ${near}` };
}
