// What a case may need that not every runner has: the one place where it is switched on.

/**
 * local-pods: Pods of this node are told from everybody else. affinity: sessionAffinity ClientIP.
 * udp: datagrams.
 */
export type Feature = "local-pods" | "affinity" | "udp";

const RUNNERS = {
  naive: ["local-pods", "affinity", "udp"],
  "node view": ["local-pods", "affinity", "udp"],
  explain: ["local-pods", "affinity", "udp"],
  wasm: ["local-pods", "affinity"],
  real: ["local-pods", "affinity", "udp"],
} satisfies Record<string, readonly Feature[]>;

export type RunnerName = keyof typeof RUNNERS;

/** Those of `cases` that the runner has everything for. */
export function casesFor<C extends { needs?: readonly Feature[] }>(
  runner: RunnerName,
  cases: readonly C[],
): C[] {
  const has: readonly Feature[] = RUNNERS[runner];
  return cases.filter(({ needs = [] }) => needs.every((feature) => has.includes(feature)));
}
