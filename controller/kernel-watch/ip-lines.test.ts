import { expect, it } from "vitest";
import { ipChangeFrom } from "./ip-lines.ts";

// As iproute2 6.1 prints them.
it.each([
  [
    "[RULE]Deleted 100:\tfrom all fwmark 0x1000/0x1000 lookup 4100 proto 87",
    {
      kind: "rule",
      isRemoval: true,
      text: "100: from all fwmark 0x1000/0x1000 lookup 4100 proto 87",
    },
  ],
  [
    "[ROUTE]2 default dev lo table 4100 proto 87 scope 254 ",
    { kind: "route", isRemoval: false, text: "2 default dev lo table 4100 proto 87 scope 254" },
  ],
  [
    "[ADDR]Deleted 1: lo    inet 10.1.1.1/24 scope 0 lo",
    { kind: "address", isRemoval: true, text: "1: lo inet 10.1.1.1/24 scope 0 lo" },
  ],
  [
    "[LINK]2: br0: <BROADCAST,MULTICAST> mtu 1500 qdisc noop state DOWN group 0 ",
    {
      kind: "link",
      isRemoval: false,
      text: "2: br0: <BROADCAST,MULTICAST> mtu 1500 qdisc noop state DOWN group 0",
    },
  ],
])("reads %j", (line, change) => {
  expect(ipChangeFrom(line)).toEqual(change);
});

it.each(["", "       valid_lft forever preferred_lft forever", "    link/[1] f2:41:d6:e7:ce:d6"])(
  "reads nothing from %j",
  (line) => {
    expect(ipChangeFrom(line)).toBeUndefined();
  },
);
