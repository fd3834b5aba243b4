import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Pod } from "../watch/manifests-pod.ts";
import { labelGroups, type NearLabels, nearLabels } from "./near-labels.ts";

type Labels = Record<string, string>;

function pod(name: string, labels: Labels, namespace = "shop"): Pod {
  const rest = { podIPs: [], nodeName: "", terminal: false, ready: true, terminating: false };
  return { namespace, name, labels, ports: [], ...rest };
}

/** Returns "a, b: app=order-api for app=orders-api". */
function shown({ pods, namespace, differences }: NearLabels): string {
  const parts = differences.map(({ wanted, present }) => `${present ?? "nothing"} for ${wanted}`);
  return `${pods.join(", ")}: ${parts.join(", ") || namespace}`;
}

function near(selector: Labels, ...pods: Pod[]): string[] {
  return nearLabels(selector, "shop", labelGroups(pods)).map(shown);
}

describe("finds", () => {
  it("a value that is misspelt", () => {
    const pods = [pod("a", { app: "order-api" }), pod("b", { app: "payments" })];
    expect(near({ app: "orders-api" }, ...pods)).toEqual(["a: app=order-api for app=orders-api"]);
  });

  it("a value under another key", () => {
    expect(near({ app: "web" }, pod("a", { "app.kubernetes.io/name": "web" }))).toEqual([
      "a: app.kubernetes.io/name=web for app=web",
    ]);
  });

  it("another value, or none, of one of two labels", () => {
    const selector = { app: "web", version: "v2" };
    const pods = [pod("b", { app: "web" }), pod("a", { app: "web", version: "v1" })];
    expect(near(selector, ...pods)).toEqual([
      "a: version=v1 for version=v2",
      "b: nothing for version=v2",
    ]);
  });

  it("Pods of another namespace, if they match as they are", () => {
    const pods = [pod("a", { app: "web" }, "prod"), pod("b", { app: "wbe" }, "prod")];
    expect(near({ app: "web" }, ...pods)).toEqual(["a: prod"]);
  });

  it("Pods that differ only in what controllers add, together", () => {
    const hashed = (hash: string) => ({ app: "wbe", "pod-template-hash": hash });
    expect(near({ app: "web" }, pod("b", hashed("2")), pod("a", hashed("1")))).toEqual([
      "a, b: app=wbe for app=web",
    ]);
  });
});

it("does not suggest what has nothing in common with the selector", () => {
  expect(near({ app: "web" }, pod("a", { app: "db", tier: "back" }))).toEqual([]);
  expect(near({ app: "web" }, pod("a", {}))).toEqual([]);
  expect(near({}, pod("a", { app: "web" }))).toEqual([]);
});

const word = fc.constantFrom("web", "wbe", "api", "order-api", "orders-api", "db", "v1", "v2");
const labels = fc.dictionary(fc.constantFrom("app", "name", "tier", "version"), word, {
  minKeys: 1,
});
const somePods = fc.array(fc.tuple(labels, fc.constantFrom("shop", "prod")), { maxLength: 12 });

function numbered(facts: readonly (readonly [Labels, string])[]): Pod[] {
  return facts.map(([own, namespace], index) => pod(`pod-${index}`, own, namespace));
}

it("names Pods that are there, once each, and what they really have", () => {
  let named = 0;
  fc.assert(
    fc.property(labels, somePods, (selector, facts) => {
      const pods = numbered(facts);
      const found = nearLabels(selector, "shop", labelGroups(pods));
      const names = found.flatMap((each) => each.pods);
      named += names.length;
      expect(new Set(names).size).toBe(names.length);
      for (const { pods: own, namespace, differences } of found) {
        for (const each of own.map((name) => pods.find((one) => one.name === name))) {
          expect(each?.namespace).toBe(namespace);
          const pairs = Object.entries(each?.labels ?? {}).map((pair) => pair.join("="));
          for (const { wanted, present } of differences) {
            expect(pairs).not.toContain(wanted);
            if (present !== undefined) expect(pairs).toContain(present);
          }
        }
      }
    }),
  );
  expect(named).toBeGreaterThan(0);
});

it("gives the same in whatever order the Pods come, the nearest first", () => {
  fc.assert(
    fc.property(labels, somePods, fc.nat(), (selector, facts, turn) => {
      const pods = numbered(facts);
      const found = nearLabels(selector, "shop", labelGroups(pods));
      const at = pods.length === 0 ? 0 : turn % pods.length;
      const turned = [...pods.slice(at), ...pods.slice(0, at)];
      expect(nearLabels(selector, "shop", labelGroups(turned))).toEqual(found);
      const costs = found.map(({ cost }) => cost);
      expect(costs).toEqual(costs.toSorted((a, b) => a - b));
    }),
  );
});

it("puts one slip of the fingers before everything else", () => {
  fc.assert(
    fc.property(somePods, (facts) => {
      const others = numbered(facts).filter((each) => {
        return !Object.values(each.labels).some((value) => /^payment/.test(value));
      });
      const slipped = pod("slipped", { app: "payment-service" });
      const groups = labelGroups([...others, slipped]);
      const [first] = nearLabels({ app: "payments-service" }, "shop", groups);
      expect(first?.pods).toEqual(["slipped"]);
    }),
  );
});
