// What the annotations of a Service say, and what is wrong with them.

import { describe, expect, it } from "vitest";
import { serviceFromObject } from "./from-service.ts";
import { NO_SETTINGS } from "./service-settings.ts";
import type { ServiceSettings } from "./types.ts";

const UNSET: ServiceSettings = { ...NO_SETTINGS };

function read(annotations: Record<string, unknown>, spec: object = {}) {
  const own = Object.entries(annotations).map(([name, value]) => [`portico.dev/${name}`, value]);
  const metadata = { namespace: "shop", name: "web", annotations: Object.fromEntries(own) };
  const { value, problems } = serviceFromObject({ metadata, spec });
  expect(problems.every(({ object }) => object === "Service shop/web")).toBe(true);
  expect(problems.every(({ reason }) => reason === "SettingRefused")).toBe(true);
  return { settings: value?.settings, problems: problems.map(({ message }) => message) };
}

function settings(annotations: Record<string, unknown>): ServiceSettings | undefined {
  const { settings: found, problems } = read(annotations);
  expect(problems).toEqual([]);
  return found;
}

it("is the same object for all Services that say nothing", () => {
  expect(settings({})).toBe(NO_SETTINGS);
  const { value } = serviceFromObject({ metadata: { name: "a", annotations: { other: "x" } } });
  expect(value?.settings).toBe(NO_SETTINGS);
});

it("reads each annotation", () => {
  expect(
    settings({
      balancing: "least-connections",
      ejection: "off",
      "max-connections": "4294967295",
      "max-new-connections-per-second": "1",
    }),
  ).toEqual({
    ...UNSET,
    balancing: "least-connections",
    ejection: false,
    maxConnections: 4_294_967_295,
    maxNewConnectionsPerSecond: 1,
  });
  expect(settings({ ejection: "on" })?.ejection).toBe(true);
});

it("says that limits do not hold for UDP ports", () => {
  const ports = [{ port: 53, protocol: "UDP" }, { port: 53 }];
  const { settings: found, problems } = read({ "max-connections": "5" }, { ports });
  expect(found?.maxConnections).toBe(5);
  expect(problems).toEqual([
    'annotation portico.dev/max-connections is "5": it holds for TCP only: the UDP ports of this ' +
      "Service have no limit",
  ]);
});

it("reads weights and preferred backends, which imply their balancing", () => {
  expect(settings({ weights: "web-canary-*=1, 10.1.3.7/16 = 20,fd00::A=255,web-0=3" })).toEqual({
    ...UNSET,
    balancing: "weighted",
    weights: [
      { pattern: "web-canary-*", weight: 1 },
      { pattern: "10.1.0.0/16", weight: 20 },
      { pattern: "fd00::a/128", weight: 255 },
      { pattern: "web-0", weight: 3 },
    ],
  });
  const preferred = { "preferred-backends": "web-0, 10.1.1.10" };
  expect(settings(preferred)).toEqual({
    ...UNSET,
    balancing: "failover",
    preferred: ["web-0", "10.1.1.10/32"],
  });
  expect(settings({ ...preferred, balancing: "failover" })).toEqual(settings(preferred));
});

describe("what is wrong leaves the default, and is said with what is possible", () => {
  it.each<[string, Record<string, unknown>, string]>([
    [
      "a name that is nearly right",
      { balancing: "least-conections" },
      'annotation portico.dev/balancing is "least-conections": did you mean least-connections? ' +
        "it must be one of random, least-connections, round-robin, client-hash, weighted, " +
        "failover; the node's default applies",
    ],
    [
      "a name that is nothing",
      { balancing: "" },
      'annotation portico.dev/balancing is "": it must be one of random, least-connections, ' +
        "round-robin, client-hash, weighted, failover; the node's default applies",
    ],
    [
      "an annotation that is nearly right",
      { balance: "random" },
      "annotation portico.dev/balance is unknown: did you mean portico.dev/balancing? " +
        "portico.dev/ is followed by one of balancing, weights, preferred-backends, pick, " +
        "pick-parameters, ejection, max-connections, max-new-connections-per-second",
    ],
    [
      "another word for off",
      { ejection: "false" },
      'annotation portico.dev/ejection is "false": it must be one of on, off; the node\'s ' +
        "default applies",
    ],
    [
      "a number of 0",
      { "max-connections": "0" },
      'annotation portico.dev/max-connections is "0": it must be a whole number from 1 to ' +
        "4294967295, as text; no limit applies",
    ],
    [
      "a number out of range",
      { "max-new-connections-per-second": "4294967296" },
      'annotation portico.dev/max-new-connections-per-second is "4294967296": it must be a whole ' +
        "number from 1 to 4294967295, as text; no limit applies",
    ],
    [
      "a number that is none",
      { "max-connections": "1e3" },
      'annotation portico.dev/max-connections is "1e3": it must be a whole number from 1 to ' +
        "4294967295, as text; no limit applies",
    ],
    [
      "a number in a manifest that is no text",
      { "max-connections": 100 },
      "annotation portico.dev/max-connections is 100: it must be a whole number from 1 to " +
        "4294967295, as text; no limit applies",
    ],
    [
      "weighted without weights",
      { balancing: "weighted" },
      'annotation portico.dev/balancing is "weighted": it needs portico.dev/weights, such as ' +
        '"web-canary-*=1, 10.1.0.0/16=20"; the node\'s default applies',
    ],
    [
      "weights for another balancing",
      { balancing: "random", weights: "web-0=2" },
      'annotation portico.dev/balancing is "random": portico.dev/weights is for balancing ' +
        "weighted only; remove one of them; the node's default applies",
    ],
    [
      "weights and preferred backends",
      { weights: "web-0=2", "preferred-backends": "web-0" },
      "annotation portico.dev/balancing is not given: portico.dev/preferred-backends is for " +
        "balancing failover only; remove one of them; the node's default applies",
    ],
    [
      "too many entries",
      { "preferred-backends": Array(101).fill("a").join() },
      `annotation portico.dev/preferred-backends is "${"a,".repeat(38)}...: 101 entries, at most ` +
        "100 are possible",
    ],
  ])("%s", (_, annotations, message) => {
    const { settings: found, problems } = read(annotations);
    expect(problems).toEqual([message]);
    expect(found).toEqual(UNSET);
  });

  it.each(["web-0=0", "web-0=256", "web-0", "=3", "Web=3", "10.1.0.0/33=3", ""])(
    "an entry %j of the weights, which alone does not count",
    (entry) => {
      const { settings: found, problems } = read({ weights: `a=2,${entry},b=3` });
      expect(found?.weights.map(({ pattern }) => pattern)).toEqual(["a", "b"]);
      expect(problems).toEqual([
        `annotation portico.dev/weights has ${JSON.stringify(entry)}: an entry is an address, a ` +
          'CIDR, the name of a Pod, or its beginning and "*", then "=" and a weight from 1 to ' +
          "255; this one does not count",
      ]);
    },
  );

  it("an entry of the preferred backends", () => {
    const { settings: found, problems } = read({ "preferred-backends": "a,B" });
    expect(found?.preferred).toEqual(["a"]);
    expect(problems[0]).toContain('has "B": an entry is an address');
  });

  it("a hash of the client next to session affinity by the client", () => {
    const spec = { sessionAffinity: "ClientIP" };
    const { settings: found, problems } = read({ balancing: "client-hash" }, spec);
    expect(found).toEqual(UNSET);
    expect(problems).toEqual([
      'annotation portico.dev/balancing is "client-hash": spec.sessionAffinity is ClientIP, ' +
        "which decides before it; remove one of them; the node's default applies",
    ]);
    expect(read({ balancing: "round-robin" }, spec).problems).toEqual([]);
  });
});
