import { describe, expect, it } from "vitest";
import { EMPTY_CAPTURE_SET } from "../node/capture-set.ts";
import type { CaptureSet, Verdict } from "../node/types.ts";
import { DEFAULT_CAPTURE_OPTIONS } from "./options.ts";
import { elementChanges, rulesetFrom } from "./ruleset.ts";

const EMPTY = EMPTY_CAPTURE_SET;

const SHOP: CaptureSet = {
  ...EMPTY,
  verdicts: new Map<string, Verdict>([
    ["10.96.0.10:53/UDP", "refuse"],
    ["10.96.0.10:80/TCP", "keep"],
    ["10.96.0.11:80/TCP", "refuse"],
    ["192.0.2.1:30080/TCP", "masquerade"],
    ["192.0.2.1:30081/TCP", "drop"],
    ["[fd00:96::a]:80/TCP", "keep"],
  ]),
  clusterIPs: ["10.96.0.10", "10.96.0.11", "fd00:96::a"],
  serviceCIDRs: ["10.96.0.0/16", "fd00:96::/112"],
  localEndpoints: ["10.1.1.10", "10.1.1.11", "fd00:1::10"],
};

describe("the whole table", () => {
  it("reads as written down", async () => {
    const text = rulesetFrom(SHOP, DEFAULT_CAPTURE_OPTIONS);
    await expect(text).toMatchFileSnapshot("golden/ruleset.nft");
  });

  it("has no empty element lists, which nft does not take", async () => {
    expect(rulesetFrom(EMPTY, DEFAULT_CAPTURE_OPTIONS)).not.toContain("elements");
  });

  it("touches one bit of the marks, whatever bit that is", () => {
    const text = rulesetFrom(SHOP, { ...DEFAULT_CAPTURE_OPTIONS, markBit: 0x80000000 });
    const changes = text.match(/mark set .*?(0x[0-9a-f]+)/g) ?? [];
    expect(new Set(changes)).toEqual(
      new Set([
        "mark set meta mark or 0x80000000",
        "mark set ct mark or 0x80000000",
        "mark set meta mark and 0x7fffffff",
      ]),
    );
  });

  it("says which key it does not understand", () => {
    const set = { ...EMPTY, verdicts: new Map<string, Verdict>([["10.96.0.10", "keep"]]) };
    expect(() => rulesetFrom(set, DEFAULT_CAPTURE_OPTIONS)).toThrow("10.96.0.10");
  });
});

describe("changes of elements", () => {
  it("are none between equal sets", () => {
    expect(elementChanges(SHOP, { ...SHOP, verdicts: new Map(SHOP.verdicts) })).toBe("");
  });

  it("take out and put in what differs, and nothing else", async () => {
    const verdicts = new Map(SHOP.verdicts);
    verdicts.delete("192.0.2.1:30081/TCP");
    verdicts.set("10.96.0.11:80/TCP", "keep");
    verdicts.set("10.96.0.12:443/TCP", "drop");
    const next: CaptureSet = {
      ...SHOP,
      verdicts,
      clusterIPs: ["10.96.0.10", "10.96.0.11", "10.96.0.12"],
      serviceCIDRs: ["10.112.0.0/16"],
      localEndpoints: ["10.1.1.10"],
    };
    await expect(elementChanges(SHOP, next)).toMatchFileSnapshot("golden/changes.nft");
  });
});
