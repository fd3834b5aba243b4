// kube-network-policies, the real program, which judges the first packets of connections in user
// space: they come to it by a queue, after routing. Its own nftables rules need nft_queue, which
// not every kernel has; there it logs that, and goes on reading its queue. So that it runs on every
// kernel, its rules are written here, as iptables has them: in mangle's POSTROUTING (-150) in place
// of a chain at 95.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ClusterNode } from "../namespaces/cluster.ts";
import { buildEnforcer } from "./build-enforcers.ts";
import type { Enforcer } from "./enforcer.ts";
import { EnforcerPrograms } from "./enforcer-programs.ts";
import type { PolicySet } from "./policies.ts";

/** It syncs again and again for a moment after a change that its own rules fail for. */
const QUIET_MS = 500;
const QUEUE = "100";

function rulesOf(iptables: string): string[][] {
  const neighbours = ["-p", "ipv6-icmp", "-j", "ACCEPT"];
  return [
    ...(iptables === "ip6tables" ? [neighbours] : []),
    // Of root's processes on the node, so that probes work.
    ["-m", "owner", "--uid-owner", "0", "-j", "ACCEPT"],
    ["-m", "conntrack", "--ctstate", "ESTABLISHED,RELATED", "-j", "ACCEPT"],
    ["-j", "NFQUEUE", "--queue-num", QUEUE],
  ].map((rule) => ["POSTROUTING", ...rule]);
}

async function changeRules(node: ClusterNode, change: "-A" | "-D"): Promise<void> {
  for (const iptables of ["iptables", "ip6tables"]) {
    for (const rule of rulesOf(iptables)) {
      await node.exec(iptables, ["-w", "-t", "mangle", change, ...rule]);
    }
  }
}

/**
 * It takes its access to the API from where a Pod has it, and nothing else: a mount namespace of
 * its own has that there. $1: a directory with token, ca.crt and hosts.
 */
const AS_A_POD = [
  "mount -t tmpfs none /run",
  "mkdir -p /run/secrets/kubernetes.io/serviceaccount",
  'cp "$1/token" "$1/ca.crt" /run/secrets/kubernetes.io/serviceaccount',
  'mount --bind "$1/hosts" /etc/hosts',
  'shift && exec "$@"',
].join(" && ");

export class KubeNetworkPolicies implements Enforcer {
  readonly name = "kube-network-policies";
  readonly families = ["IPv4", "IPv6"] as const;
  readonly #program: string;
  readonly #programs = new EnforcerPrograms("kube-network-policies");
  /** By the node's name: how often it had synced when the last set was enforced. */
  readonly #synced = new Map<string, number>();

  private constructor(program: string) {
    this.#program = program;
  }

  static async make(tell: (line: string) => void): Promise<KubeNetworkPolicies> {
    return new KubeNetworkPolicies(await buildEnforcer("kube-network-policies", tell));
  }

  async start(node: ClusterNode, kubeconfig: string): Promise<void> {
    await changeRules(node, "-A");
    const { directory, port } = this.#access(kubeconfig);
    const own = [`--hostname-override=${node.label}`, `--nfqueue-id=${QUEUE}`];
    const flags = ["--metrics-bind-address=127.0.0.1:9081", "--netfilter-bug-1766-fix=false"];
    const environment = [
      "KUBERNETES_SERVICE_HOST=kubernetes.default.svc",
      `KUBERNETES_SERVICE_PORT=${port}`,
    ];
    const program = ["env", ...environment, this.#program, ...own, ...flags];
    const shell = ["sh", "-c", AS_A_POD, "sh", directory];
    this.#programs.start(node, ["unshare", "--mount", "--", ...shell, ...program]);
  }

  /** What its kubeconfig says, as the files of a Pod's service account. */
  #access(kubeconfig: string): { directory: string; port: string } {
    const { clusters, users } = JSON.parse(readFileSync(kubeconfig, "utf8"));
    const { server, "certificate-authority-data": authority } = clusters[0].cluster;
    const { hostname, port } = new URL(server);
    const directory = join(this.#programs.directory, "account");
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, "token"), users[0].user.token);
    writeFileSync(join(directory, "ca.crt"), Buffer.from(authority, "base64"));
    writeFileSync(join(directory, "hosts"), `${hostname} kubernetes.default.svc\n`);
    return { directory, port };
  }

  async remove(node: ClusterNode): Promise<void> {
    await changeRules(node, "-D");
    await this.#programs.end(node);
  }

  /** The mark selects a Pod of every node: it syncs then, with all that came before. */
  async enforced(node: ClusterNode, set: PolicySet, mark: string): Promise<void> {
    const before = this.#synced.get(node.name) ?? 0;
    let [count, since] = [before, Date.now()];
    await this.#programs.until(node, `${mark} (${set.name})`, async () => {
      if (!(await readsQueue(node))) return false;
      const now = this.#programs.log(node).split("Syncing nftables rules").length - 1;
      if (now !== count) [count, since] = [now, Date.now()];
      return count > before && Date.now() - since > QUIET_MS;
    });
    this.#synced.set(node.name, count);
  }

  async close(): Promise<void> {
    await this.#programs.close();
  }
}

/** Until then the kernel drops what goes to the queue. */
async function readsQueue(node: ClusterNode): Promise<boolean> {
  const { stdout } = await node.exec("cat", ["/proc/net/netfilter/nfnetlink_queue"]);
  return stdout.split("\n").some((line) => line.trim().startsWith(`${QUEUE} `));
}
