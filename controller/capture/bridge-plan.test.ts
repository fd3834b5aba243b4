import { describe, expect, it } from "vitest";
import { type BridgeCapture, bridgePlan } from "./bridge-plan.ts";
import type { HookOrder } from "./hook-order.ts";

const CALLS = { IPv4: true, IPv6: true };
const GOOD = { redirects: false, problems: [] };

function planned(wanted: BridgeCapture, order: HookOrder | undefined, calls = CALLS) {
  return bridgePlan(wanted, calls, async () => order);
}

describe("TCP of Pods on bridges comes by NAT", () => {
  const REDIRECT = { redirects: true, problems: [] };

  it("where the order of hooks is not the usual one, also before a bridge calls", async () => {
    expect(await planned("auto", "oldest-first")).toEqual(REDIRECT);
    expect(await planned("auto", "oldest-first", { IPv4: false, IPv6: false })).toEqual(REDIRECT);
    expect(await planned("auto", "latest-first")).toEqual(GOOD);
    expect(await planned("auto", undefined)).toEqual(GOOD);
  });

  it("where that is wanted, and nothing is tried then", async () => {
    const untried = () => Promise.reject(new Error("tried"));
    expect(await bridgePlan("redirect", CALLS, untried)).toEqual(REDIRECT);
    expect(await bridgePlan("redirect", undefined, untried)).toEqual(REDIRECT);
    expect(await bridgePlan("auto", undefined, untried)).toEqual(GOOD);
  });
});

it("names the sysctls that do not go with another order, where that is relied on", async () => {
  expect(await planned("order", "latest-first")).toEqual(GOOD);
  const none = { IPv4: false, IPv6: false };
  expect(await planned("order", "oldest-first", none)).toEqual(GOOD);
  const both = "net.bridge.bridge-nf-call-iptables and net.bridge.bridge-nf-call-ip6tables is 1, ";
  const { redirects, problems } = await planned("order", "oldest-first");
  expect({ redirects, problems }).toEqual({ ...GOOD, problems: [expect.stringContaining(both)] });
  const one =
    /^net\.bridge\.bridge-nf-call-ip6tables is 1, .*; omit that flag, or set the sysctl to 0$/;
  const ofOne = await planned("order", "oldest-first", { IPv4: false, IPv6: true });
  expect(ofOne.problems).toEqual([expect.stringMatching(one)]);
});
