// kube-router's policy controller, the real program, as k3s has it: iptables and ipsets. Its IPv6
// rules are left out: version 2.1.0 names ipsets there that it has made under other names, and its
// sync fails with the first policy that selects Pods.

import type { ClusterNode } from "../namespaces/cluster.ts";
import { EXTERNAL_CIDRS, familyOf, SERVICE_CIDRS } from "../parity/lab.ts";
import { buildEnforcer } from "./build-enforcers.ts";
import type { Enforcer } from "./enforcer.ts";
import { EnforcerPrograms } from "./enforcer-programs.ts";
import type { PolicySet } from "./policies.ts";

/** Its flags for the ranges from which a Pod's egress is not judged in the input hook. */
const FLAGS = [
  ...["--run-firewall=true", "--run-router=false", "--run-service-proxy=false"],
  ...["--run-loadbalancer=false", "--enable-ipv4=true", "--enable-ipv6=false"],
  ...["--metrics-port=0", "--health-port=0", "--service-node-port-range=30000-32767"],
  ...ranges("--service-cluster-ip-range", SERVICE_CIDRS),
  ...ranges("--service-external-ip-range", EXTERNAL_CIDRS),
  ...ranges("--loadbalancer-ip-range", EXTERNAL_CIDRS),
];

function ranges(flag: string, cidrs: readonly string[]): string[] {
  const ofIPv4 = cidrs.filter((cidr) => familyOf(cidr.replace(/\/.*/, "")) === "IPv4");
  return ofIPv4.map((cidr) => `${flag}=${cidr}`);
}

export class KubeRouter implements Enforcer {
  readonly name = "kube-router";
  readonly families = ["IPv4"] as const;
  readonly #program: string;
  readonly #programs = new EnforcerPrograms("kube-router");

  private constructor(program: string) {
    this.#program = program;
  }

  static async make(tell: (line: string) => void): Promise<KubeRouter> {
    return new KubeRouter(await buildEnforcer("kube-router", tell));
  }

  async start(node: ClusterNode, kubeconfig: string): Promise<void> {
    const own = [`--kubeconfig=${kubeconfig}`, `--hostname-override=${node.label}`];
    this.#programs.start(node, [this.#program, ...FLAGS, ...own]);
  }

  async remove(node: ClusterNode): Promise<void> {
    await this.#programs.end(node);
    const { stdout } = await node.exec("iptables-save", ["-t", "filter"]);
    const others = stdout.split("\n").filter((line) => !line.includes("KUBE-"));
    await node.exec("iptables-restore", ["-T", "filter"], { input: others.join("\n") });
  }

  async enforced(node: ClusterNode, set: PolicySet, mark: string): Promise<void> {
    await this.#programs.until(node, `${mark} (${set.name})`, async () => {
      const { stdout } = await node.exec("iptables", ["-S"], { allowFailure: true });
      return stdout.includes(`policy ${mark}"`);
    });
  }

  async close(): Promise<void> {
    await this.#programs.close();
  }
}
