// Pods whose network the real CNI plugins make, on a bridge and by a link of their own: the cases
// of real/bridge-cases.ts, and a host port.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cniNetwork } from "../kubernetes/cni-network.ts";
import {
  callIptablesAndFollow,
  everyWay,
  expectedWays,
  KINDS,
  NO_SETTING,
} from "../real/bridge-cases.ts";
import { BridgeLab } from "../real/bridge-lab.ts";

const HOST_PORT = 8_000;

let lab: BridgeLab;

beforeAll(async () => {
  lab = await BridgeLab.make(
    await cniNetwork({ ptp: ["routed"], hostPorts: { [HOST_PORT]: "b" } }),
  );
  await lab.start();
}, 600_000); // the first run builds the plugins
afterAll(() => lab?.close());

describe.each([
  [1, "a"],
  [0, "bridge"],
] as const)("with bridge-nf-call-iptables at %i", (value, sameBridge) => {
  it.for(KINDS)("all are reached: $family $protocol", async ({ family, protocol }, context) => {
    context.skip(!(await callIptablesAndFollow(lab.node, value)), NO_SETTING);
    const expected = expectedWays(lab, family, sameBridge);
    expect(await everyWay(lab, family, protocol)).toEqual(expected);
  });
});

it("a host port leads to its Pod as before", async () => {
  const dialer = await lab.pod("outside").dialer();
  const answer = await dialer.dialOnce(lab.address("node", "IPv4"), HOST_PORT);
  expect(answer).toMatchObject({ outcome: "answered", name: "b" });
});
