// NetworkPolicies with kube-proxy and with Portico: the same objects, enforcers and connections in
// both worlds. Says which verdicts differ; known-differences.ts says which may.
//
// POLICY_SAMPLE=2 compares so many of the sets of policies with each enforcer and network, drawn
// from POLICY_SEED.
// POLICY_ENFORCERS=kube-router names those that enforce; all by default.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cniNetwork } from "../kubernetes/cni-network.ts";
import type { ClusterNode } from "../namespaces/cluster.ts";
import type { PodNetwork } from "../namespaces/pod-network.ts";
import { BothWorlds } from "../parity/both-worlds.ts";
import { Chance } from "../parity/chance.ts";
import type { KubernetesObject } from "../parity/state.ts";
import { COMPARED } from "../parity/tags.ts";
import type { Enforcer } from "./enforcer.ts";
import { ENFORCERS } from "./enforcers.ts";
import { KNOWN_DIFFERENCES } from "./known-differences.ts";
import { BYSTANDERS, CLIENTS_NAMESPACE, dials, everybody, WEB_NAMESPACE } from "./people.ts";
import { POLICY_SETS, type PolicySet } from "./policies.ts";
import { differenceOf, type Judged, judge, textOf } from "./verdicts.ts";

const SEED = Number(process.env.POLICY_SEED ?? 1);
const SAMPLE = Number(process.env.POLICY_SAMPLE ?? POLICY_SETS.length);
const WANTED = process.env.POLICY_ENFORCERS?.split(",") ?? Object.keys(ENFORCERS);

interface Network {
  name: string;
  /** Makes the Pods' network; absent: the lab's own, a link for each Pod. */
  podNetwork?: () => Promise<PodNetwork>;
  /** Rules that go by the Pods' interfaces find nothing on a bridge. */
  enforcers: readonly string[];
}

const NETWORKS: readonly Network[] = [
  { name: "routed Pods", enforcers: Object.keys(ENFORCERS) },
  {
    name: "Pods on a bridge",
    podNetwork: cniNetwork,
    enforcers: ["kube-router", "kube-network-policies"],
  },
].filter(({ enforcers }) => enforcers.some((name) => WANTED.includes(name)));

let marks = 0;
const all: Judged[] = [];

afterAll(() => {
  const counts = Map.groupBy(all, ({ enforcer, network }) => `${enforcer}, ${network}`);
  for (const [name, judged] of counts) console.log(totalOf(name, judged));
});

describe.each(NETWORKS)("$name", ({ name: network, podNetwork, enforcers }) => {
  let both: BothWorlds;
  let lastMark: KubernetesObject | undefined;

  beforeAll(async () => {
    both = await BothWorlds.open(COMPARED, { podNetwork: await podNetwork?.() });
    const { writer, comparison } = both.parts;
    await writer.writeNamespace(CLIENTS_NAMESPACE);
    await writer.write(everybody(), true);
    await comparison.settle();
  }, 900_000); // the first run builds Kubernetes

  afterAll(() => both?.close());

  function nodes(): ClusterNode[] {
    const { kubeProxy, portico } = both.parts;
    return [kubeProxy, portico].flatMap((world) => world.servedNodes());
  }

  describe.each(enforcers.filter((name) => WANTED.includes(name)))("%s", (name) => {
    let enforcer: Enforcer;

    beforeAll(async () => {
      const make = ENFORCERS[name];
      if (make === undefined) throw new Error(`POLICY_ENFORCERS: there is no ${name}`);
      await both.parts.writer.write(everybody(), false);
      enforcer = await make(console.log);
      for (const node of nodes()) await enforcer.start(node, both.parts.kubeconfig);
    });

    afterAll(async () => {
      for (const node of nodes()) await enforcer?.remove(node);
      await enforcer?.close();
    });

    it.each(sample(network, name).map((set) => [set.name, set] as const))("%s", async (_, set) => {
      const { writer, kubeProxy, portico } = both.parts;
      const mark = markPolicy();
      await writer.write([...everybody(), ...set.policies], false);
      // Later than what it is to tell of.
      await writer.apply(mark);
      await Promise.all(nodes().map((node) => enforcer.enforced(node, set, mark.metadata.name)));
      if (lastMark) await writer.remove(lastMark);
      lastMark = mark;
      const dialled = enforcer.families.flatMap((family) => dials(family));
      const judged = await judge({ kubeProxy, portico }, { enforcer: name, network, set }, dialled);
      all.push(...judged);
      const unknown = judged.filter((each) => differenceOf(each) === "unknown");
      expect(unknown.map(textOf).sort()).toEqual([]);
      expect(judged.length).toBeGreaterThan(100);
      if (set.policies.length > 0) return;
      // Nothing but time keeps anybody out here.
      expect(judged.filter(({ kubeProxy }) => kubeProxy === "kept out").map(textOf)).toEqual([]);
    });
  });
});

it("needs every known difference", (context) => {
  const compared = new Set(
    all.map(({ enforcer, network, set }) => `${enforcer}, ${network}, ${set.name}`),
  );
  const whole = NETWORKS.flatMap(({ enforcers }) => enforcers).length * POLICY_SETS.length;
  context.skip(compared.size < whole, `${compared.size} of ${whole} were compared`);
  const needed = new Set(all.map(differenceOf));
  expect(KNOWN_DIFFERENCES.filter((known) => !needed.has(known)).map(({ id }) => id)).toEqual([]);
});

/** Lets everybody in to Pods that nobody dials: what enforces it enforces what came before. */
function markPolicy(): KubernetesObject {
  marks += 1;
  const podSelector = { matchExpressions: [{ key: "name", operator: "In", values: BYSTANDERS }] };
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name: `mark-${marks}`, namespace: WEB_NAMESPACE },
    spec: { podSelector, policyTypes: ["Ingress"], ingress: [{}] },
  };
}

/** All, or so many as there are to be: others for each network and enforcer. */
function sample(network: string, enforcer: string): readonly PolicySet[] {
  if (SAMPLE >= POLICY_SETS.length) return POLICY_SETS;
  const pairs = NETWORKS.flatMap(({ name, enforcers }) => enforcers.map((each) => name + each));
  const drawn = new Chance(SEED + pairs.indexOf(network + enforcer)).some(POLICY_SETS, SAMPLE);
  return POLICY_SETS.filter((set) => drawn.includes(set));
}

function totalOf(name: string, judged: readonly Judged[]): string {
  const sets = new Set(judged.map(({ set }) => set.name)).size;
  const keptOut = judged.filter(({ kubeProxy }) => kubeProxy === "kept out").length;
  const reasons = judged.map(differenceOf).filter((each) => each !== undefined);
  const byId = Map.groupBy(reasons, (each) => (each === "unknown" ? each : each.id));
  const counted = [...byId].map(([id, those]) => `${those.length} ${id}`).join(", ");
  return (
    `${name}: ${sets} sets of policies, ${judged.length} connections compared ` +
    `(${keptOut} kept out), ${reasons.length} differ${counted === "" ? "" : `: ${counted}`}`
  );
}
