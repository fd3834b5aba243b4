// A policy stands while Portico takes kube-proxy's place and kube-proxy Portico's, by the steps of
// deploy/MIGRATION.md, with rules as Calico's: nobody gets in at any moment.

import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { preparePrograms } from "../demo/prerequisites.ts";
import { eventually } from "../eventually.ts";
import { MigratingNode, WEB } from "../migration/migrating-node.ts";
import type { Dialer, Load } from "../namespaces/dialer.ts";
import { shortenUdpTimeouts } from "../namespaces/udp-timeouts.ts";
import type { KubernetesObject } from "../parity/state.ts";
import { CALICO } from "./calico-rules.ts";
import { RulesByHand } from "./rules-by-hand.ts";

const LAG_MS = 60_000;
/** Seconds; 120 by default, for which the drain would wait. */
const UDP_TIMEOUT = 3;
const NOBODY_IN: KubernetesObject = {
  apiVersion: "networking.k8s.io/v1",
  kind: "NetworkPolicy",
  metadata: { name: "nobody-in", namespace: "default" },
  spec: { podSelector: { matchLabels: WEB }, policyTypes: ["Ingress"] },
};

let migrating: MigratingNode;
let client: Dialer;
let enforcer: RulesByHand;
let clusterIP: string;
let loads: Load[];

const DIALS = [
  { port: 80, protocol: "TCP" },
  { port: 53, protocol: "UDP" },
] as const;

beforeAll(async () => {
  await preparePrograms(console.log, { conntrack: "conntrack" });
  migrating = await MigratingNode.make("nftables");
  const { node, objects } = migrating;
  enforcer = new RulesByHand(
    CALICO,
    [...node.pods].map(([name, { addresses }]) => ({
      apiVersion: "v1",
      kind: "Pod" as const,
      metadata: { name, namespace: "default", labels: name === "client" ? {} : WEB },
      status: { podIPs: addresses.map((ip) => ({ ip })) },
    })),
  );
  const ports = DIALS.map(({ port, protocol }) => ({
    name: protocol.toLowerCase(),
    port,
    protocol,
    targetPort: 8080,
  }));
  // The Pods of the other node have a node of their own to judge them, where nothing is enforced.
  const spec = { selector: WEB, ports, internalTrafficPolicy: "Local" };
  const service = await objects.createService({ name: "web", spec });
  clusterIP = service.spec?.clusterIP ?? "";
  client = await node.pod("client").dialer();
  await shortenUdpTimeouts(node, UDP_TIMEOUT);
  await migrating.startUnit("kube-proxy");
  await isLetIn();
}, 900_000); // the first run builds Kubernetes

afterAll(() => migrating?.close());

afterEach((context) => {
  if (context.task.result?.state !== "fail") return;
  console.log(migrating?.log("kube-proxy"), migrating?.log("portico"));
});

async function isLetIn(): Promise<void> {
  await enforcer.enforced(migrating.node, { policies: [] });
  await eventually("the client let in", LAG_MS, async () => {
    const dialled = DIALS.map(({ port, protocol }) =>
      client.dialOnce(clusterIP, port, { protocol, timeoutMs: 1_000 }),
    );
    return (await Promise.all(dialled)).every(({ outcome }) => outcome === "answered");
  });
}

/** From now on the policy holds, and the client tries without end. */
async function denyAndDial(): Promise<void> {
  await enforcer.enforced(migrating.node, { policies: [NOBODY_IN] });
  const options = { timeoutMs: 500, pauseMs: 20 };
  loads = await Promise.all(
    DIALS.map(({ port, protocol }) => client.load(clusterIP, port, 2, { protocol, ...options })),
  );
}

async function nobodyGotIn(): Promise<void> {
  for (const load of loads) {
    const { outcomes } = await load.stop();
    expect(Object.keys(outcomes).length).toBeGreaterThan(0);
    expect(outcomes).not.toHaveProperty("answered");
  }
}

it("lets nobody in while Portico takes kube-proxy's place", async () => {
  await denyAndDial();
  await migrating.run("start");
  await migrating.porticoServes(LAG_MS);
  await migrating.run("remove");
  await migrating.run("forget");
  await nobodyGotIn();
  await isLetIn();
});

it("lets nobody in while kube-proxy takes it back", async () => {
  await denyAndDial();
  await migrating.run("back");
  await migrating.run("stop");
  await nobodyGotIn();
  const { stdout } = await migrating.node.exec("nft", ["list", "tables", "inet"]);
  expect(stdout).not.toContain("portico");
  await isLetIn();
});
