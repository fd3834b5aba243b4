// Checks whether the rules of others see Envoy's connections in the forward hook, as with
// --policy-hook forward (capture/policy-hook.ts): reports a problem of this node where they do not,
// and requests a full sync when a setting that decides it changes.

import type { PolicyHook } from "../capture/options.ts";
import { forwardingFrom, SHOW_FORWARDING } from "../capture/policy-link.ts";
import { looseReversePath } from "../capture/policy-links.ts";
import { runProgram } from "../capture/program.ts";
import type { KernelWatch } from "../kernel-watch/kernel-watch.ts";
import { sameData } from "../model/same-data.ts";
import type { IPFamily } from "../model/types.ts";
import type { Clock } from "../system/clock.ts";
import { Looks } from "../system/looks.ts";

/** From a look that failed, for lack of descriptors, say. */
const RETRY_MS = 5_000;
const MOST_RETRY_MS = 60_000;
/** So many failures in a row are reported: the reason is then not one that passes by itself. */
const REPORTED_FAILURES = 3;

const SETTINGS: Readonly<Record<IPFamily, { path: string; sysctl: string }>> = {
  IPv4: { path: "/proc/sys/net/ipv4/ip_forward", sysctl: "net.ipv4.ip_forward" },
  IPv6: { path: "/proc/sys/net/ipv6/conf/all/forwarding", sysctl: "net.ipv6.conf.all.forwarding" },
};

/** The kernel's settings that decide it. */
interface Forwarding {
  families: readonly IPFamily[];
  isLoose: boolean;
}

interface PolicyHookWatchParts {
  watch: Pick<KernelWatch, "listen" | "watchSetting">;
  clock: Clock;
  policyHook: PolicyHook;
  /** Those that Portico captures. */
  families: readonly IPFamily[];
  requestFull: () => void;
  report: (messages: readonly string[]) => void;
  read?: () => Promise<Forwarding>;
}

export class PolicyHookWatch {
  readonly #parts: Required<PolicyHookWatchParts>;
  readonly #looks: Looks;
  #reported: readonly string[] = [];
  /** In a row. */
  #failures = 0;

  constructor(parts: PolicyHookWatchParts) {
    this.#parts = { read: readForwarding, ...parts };
    const { watch, clock, policyHook, requestFull } = parts;
    this.#looks = new Looks({
      clock,
      retryMs: RETRY_MS,
      mostRetryMs: MOST_RETRY_MS,
      look: () => this.#look(),
    });
    if (policyHook === "output") return;
    const paths = Object.values(SETTINGS).map(({ path }) => path);
    for (const path of paths) watch.watchSetting(path);
    watch.listen("setting", ({ path }) => {
      if (paths.includes(path)) requestFull();
    });
  }

  /** Call it after a full sync, which has made the links. */
  async look(): Promise<void> {
    if (this.#parts.policyHook === "forward") await this.#looks.now();
  }

  stop(): void {
    this.#looks.stop();
  }

  async #look(): Promise<void> {
    const { families, read } = this.#parts;
    try {
      const forwarding = await read();
      this.#failures = 0;
      this.#report(forwardingProblems(forwarding, families));
    } catch (error) {
      this.#failures += 1;
      if (this.#failures >= REPORTED_FAILURES) this.#report([unknownBecause(error as Error)]);
      throw error;
    }
  }

  #report(messages: readonly string[]): void {
    if (sameData(messages, this.#reported)) return;
    this.#reported = messages;
    this.#parts.report(messages);
  }
}

/** Returns one sentence for each family whose connections appear in the output hook. */
export function forwardingProblems(
  { families, isLoose }: Forwarding,
  captured: readonly IPFamily[],
): string[] {
  const seen = (family: IPFamily) =>
    `network policies and firewalls see Envoy's ${family} connections in the output hook, as ` +
    "the node's own, and may allow clients that they deny";
  return captured.flatMap((family) => {
    if (!families.includes(family)) return [`${seen(family)}: set ${SETTINGS[family].sysctl}=1`];
    if (family === "IPv6" || isLoose) return [];
    return [
      `${seen(family)}: the reverse path filter of portico1 is strict and cannot be changed from ` +
        "here; set net.ipv4.conf.portico1.rp_filter=2, and net.ipv4.conf.default.rp_filter=2 for " +
        "the next start of the node",
    ];
  });
}

function unknownBecause({ message }: Error): string {
  return (
    "it is not known whether network policies and firewalls see Envoy's connections with their " +
    `clients' addresses: ${message.trim()}`
  );
}

async function readForwarding(): Promise<Forwarding> {
  const { code, stdout, stderr } = await runProgram("ip", SHOW_FORWARDING, "");
  if (code !== 0) throw new Error(`ip ${SHOW_FORWARDING.join(" ")}: ${stderr}`);
  return { families: forwardingFrom(stdout), isLoose: await looseReversePath() };
}
