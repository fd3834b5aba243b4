// Verdicts that depend on who dials, and from where, on a real kernel: Pods of the node by each way
// of detecting them, the host, Pods of other nodes, strangers; in both families.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { KernelTarget } from "../../controller/capture/kernel-target.ts";
import type { LocalDetector } from "../../controller/capture/local-detector.ts";
import { addressAndPort } from "../../controller/model/ip.ts";
import type { IPFamily } from "../../controller/model/types.ts";
import { partsOf } from "../cases/topology.ts";
import type { Namespace } from "../namespaces/namespace.ts";
import { withCaptured } from "../stand-ins/captured.ts";
import {
  type Addresses,
  type CaptureLab,
  captureOn,
  FAMILIES,
  makeCaptureLab,
} from "./capture-lab.ts";

let lab: CaptureLab;
beforeAll(async () => {
  lab = await makeCaptureLab();
});
afterAll(async () => {
  await lab?.envoy.kill();
  await lab?.cluster.close();
});

type Client = "pod" | "host" | "remote pod" | "outside";
const CLIENTS: readonly Client[] = ["pod", "host", "remote pod", "outside"];

function namespaceOf(client: Client): Namespace {
  if (client === "host") return lab.node;
  if (client === "outside") return lab.cluster.outside;
  return client === "pod" ? lab.node.pod("client") : lab.cluster.node("b").pod("remote");
}

/** "web, remote see client": who answers and which source they see; or "timeout". */
async function answer(client: Client, address: string, port: number): Promise<string> {
  const dialer = await namespaceOf(client).dialer();
  const first = await dialer.dialOnce(address, port, { timeoutMs: 400 });
  if (first.outcome !== "answered") return first.outcome;
  const results = [first, ...(await dialer.dial(address, port, { tries: 14 }))];
  const names = [...new Set(results.map(({ name }) => name))].sort();
  const sources = results.map(({ client: seen }) => nameOf(partsOf(seen).address));
  return `${names.join(", ")} see ${[...new Set(sources)].join(", ")}`;
}

function nameOf(address: string): string {
  const known = Object.values(lab.at).flatMap(({ client, node, remotePod, outside }) =>
    Object.entries({ pod: client, node, "remote pod": remotePod, outside }),
  );
  return known.find(([, each]) => each === address)?.[0] ?? address;
}

/** What becomes of each client, under rules with these options. */
async function answers(address: string, port: number): Promise<Record<Client, string>> {
  const each = CLIENTS.map(
    async (client) => [client, await answer(client, address, port)] as const,
  );
  return Object.fromEntries(await Promise.all(each)) as Record<Client, string>;
}

const podLink = () => lab.node.pod("client").link;
const DETECTORS: [string, () => LocalDetector][] = [
  ["CIDRs", () => ({ kind: "cidrs", cidrs: ["10.1.1.0/24", "fd00:1:1::/64"] })],
  ["a bridge", () => ({ kind: "bridge", name: podLink() })],
  ["a prefix of names", () => ({ kind: "prefix", prefix: podLink().slice(0, -1) })],
];

const DETECTED = {
  keep: {
    pod: "remote, web see pod",
    host: "remote, web see node",
    "remote pod": "remote, web see node",
    outside: "remote, web see node",
  },
  local: {
    pod: "remote, web see pod",
    host: "remote, web see node",
    "remote pod": "web see remote pod",
    outside: "web see outside",
  },
  "short-circuit": {
    pod: "remote, web see pod",
    host: "remote, web see node",
    "remote pod": "timeout",
    outside: "timeout",
  },
};

describe.each(FAMILIES)("in %s", (family: IPFamily) => {
  let at: Addresses;
  beforeAll(() => {
    at = lab.at[family];
  });

  it.each(DETECTORS)("Pods of the node are known by %s", async (_, detector) => {
    await captureOn(lab.node, { localDetector: detector() }).full(lab.set);
    expect(await answers(at.web, 80)).toEqual(DETECTED.keep);
    expect(await answers(at.externalLocal, 80)).toEqual(DETECTED.local);
    expect(await answers(at.externalLocal, 81)).toEqual(DETECTED["short-circuit"]);
  });

  it("Pods of the node that cannot be told are as strangers to policy Local", async () => {
    await captureOn(lab.node).full(lab.set);
    expect(await answers(at.externalLocal, 80)).toEqual({ ...DETECTED.local, pod: "web see pod" });
    const short = { ...DETECTED["short-circuit"], pod: "timeout" };
    expect(await answers(at.externalLocal, 81)).toEqual(short);
    expect(await answer("pod", at.web, 80)).toBe(DETECTED.keep.pod);
  });

  it("a family for which nothing is said has Pods that cannot be told", async () => {
    const cidrs = family === "IPv4" ? ["fd00:1:1::/64"] : ["10.1.1.0/24"];
    await captureOn(lab.node, { localDetector: { kind: "cidrs", cidrs } }).full(lab.set);
    expect(await answer("pod", at.externalLocal, 81)).toBe("timeout");
    expect(await answer("outside", at.own, 80)).toBe("client see outside");
  });

  it("masqueradeAll hides everybody who dials a cluster IP, and nobody else", async () => {
    const localDetector = DETECTORS[0]?.[1]() as LocalDetector;
    await captureOn(lab.node, { localDetector, masqueradeAll: true }).full(lab.set);
    expect(await answers(at.web, 80)).toEqual({ ...DETECTED.keep, pod: "remote, web see node" });
    expect(await answer("pod", at.externalLocal, 80)).toBe(DETECTED.local.pod);
    expect(await answer("outside", at.externalLocal, 80)).toBe(DETECTED.local.outside);
  });

  it("an external IP is everybody's, and its other ports nobody's", async () => {
    await lab.capture.full(lab.set);
    const masqueraded = CLIENTS.map((client) => [client, "web see node"]);
    expect(await answers(at.external, 80)).toEqual(Object.fromEntries(masqueraded));
    expect(await answer("pod", at.external, 81)).toBe("timeout");
    expect(await answer("host", at.elsewhere, 80)).toBe("timeout");
  });

  describe("source ranges", () => {
    const closed = (key: string, ...allowedSources: string[]): KernelTarget => {
      return {
        ...lab.set,
        frontends: withCaptured(lab.set.frontends, { [key]: { allowedSources } }),
      };
    };

    it("let in whom they hold, by addresses and prefixes", async () => {
      const key = `${addressAndPort(at.external, 80)}/TCP`;
      const [pods, stranger] =
        family === "IPv4" ? ["10.1.1.0/24", "192.0.2.200/32"] : ["fd00:1:1::/64", "fd00:2::c8/128"];
      await lab.capture.full(closed(key, pods as string));
      const none = { host: "timeout", "remote pod": "timeout", outside: "timeout" };
      expect(await answers(at.external, 80)).toEqual({ ...none, pod: "web see node" });
      const wider = closed(key, pods as string, stranger as string);
      await lab.capture.update(closed(key, pods as string), wider);
      const both = { ...none, pod: "web see node", outside: "web see node" };
      expect(await answers(at.external, 80)).toEqual(both);
      expect(await answer("host", at.externalLocal, 80)).toBe(DETECTED.local.host);
      await lab.capture.update(wider, lab.set);
      expect(await answer("host", at.external, 80)).toBe("web see node");
    });

    it("drop before anything is refused, and nobody else's connections", async () => {
      const key = `${addressAndPort(at.node, 30081)}/TCP`;
      const [nobody] = family === "IPv4" ? ["198.51.100.0/24"] : ["fd00:5::/64"];
      await lab.capture.full(closed(key, nobody as string));
      expect(await answer("outside", at.node, 30081)).toBe("timeout");
      expect(await answer("outside", at.node, 30080)).toBe("web see node");
    });

    it("that widen, narrow and overlap are changed in one step", async () => {
      const key = `${addressAndPort(at.external, 80)}/TCP`;
      const steps =
        family === "IPv4"
          ? [
              ["192.0.2.0/24"],
              ["192.0.2.192/26"],
              ["192.0.2.0/25", "192.0.2.192/26"],
              ["192.0.0.0/8"],
            ]
          : [["fd00:2::/64"], ["fd00:2::c0/122"], ["fd00:2::/121", "fd00:2::c0/122"], ["fd00::/8"]];
      let previous = lab.set;
      await lab.capture.full(previous);
      for (const sources of steps) {
        const next = closed(key, ...sources);
        await lab.capture.update(previous, next);
        expect(await answer("outside", at.external, 80), sources.join()).toBe("web see node");
        previous = next;
      }
      await lab.capture.update(previous, lab.set);
    });
  });
});
