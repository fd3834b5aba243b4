import { expect, it } from "vitest";
import { type NftChange, NftLines } from "./nft-lines.ts";

function setUp() {
  const changes: NftChange[] = [];
  const missed: string[] = [];
  const lines = new NftLines({
    table: "inet portico",
    ownProcess: "portico-nft",
    onChange: (change) => changes.push(change),
    onMissed: (why) => missed.push(why),
  });
  return { lines, changes, missed };
}

const OWN = [
  "add element inet portico cluster-ips { 10.96.0.1 }",
  "# new generation 3 by process 41 (portico-nft)",
];

/** As nft 1.0.6 prints `nft flush ruleset`. */
const FLUSHED = [
  "delete rule inet portico pre handle 6",
  "delete set inet portico s",
  "delete chain inet portico pre",
  "delete table inet portico",
  "delete table ip filter",
  "# new generation 9 by process 25593 (nft)",
];

function readInto(lines: NftLines, ...texts: readonly string[]): void {
  const read = lines.reader();
  for (const text of texts) read(text);
}

it("reports what another process removed, with its name and the first few by name", () => {
  const { lines, changes } = setUp();
  readInto(lines, ...OWN, ...FLUSHED);
  expect(changes).toEqual([
    {
      process: "nft",
      pid: 25593,
      isStructural: true,
      isCertain: true,
      removedCount: 4,
      addedCount: 0,
      removed: FLUSHED.slice(0, 3),
    },
  ]);
});

it("reports nothing of our own, nor of other tables", () => {
  const { lines, changes } = setUp();
  readInto(lines, ...OWN);
  const others = [
    "add table inet portico2",
    "add chain inet other portico",
    "add table ip portico",
  ];
  readInto(lines, ...others, "# new generation 4 by process 42 (nft)");
  expect(changes).toEqual([]);
});

it("reports elements that another process changed, once it knows our own by name", () => {
  const { lines, changes } = setUp();
  readInto(lines, "add chain inet portico x", "# new generation 1 by process 40 (nft)");
  expect(changes.map(({ isCertain }) => isCertain)).toEqual([false]);
  changes.length = 0;
  const element = "delete element inet portico cluster-ips { 10.96.0.1 }";
  readInto(lines, element, "# new generation 2 by process 40 (nft)");
  expect(changes).toEqual([]);
  readInto(lines, ...OWN, element, "# new generation 4 by process 40 (nft)");
  expect(changes).toEqual([
    {
      process: "nft",
      pid: 40,
      isStructural: false,
      isCertain: true,
      removedCount: 1,
      addedCount: 0,
      removed: [element],
    },
  ]);
});

it("reports a transaction once that two monitors print, in whatever order their lines come", () => {
  const { lines, changes } = setUp();
  const [first, second] = [lines.reader(), lines.reader()];
  first("delete chain inet portico a");
  second("delete chain inet portico a");
  first("# new generation 5 by process 1 (nft)");
  first("delete chain inet portico b");
  second("# new generation 5 by process 1 (nft)");
  first("# new generation 6 by process 1 (nft)");
  second("delete chain inet portico b");
  second("# new generation 6 by process 1 (nft)");
  expect(changes.map(({ removed }) => removed)).toEqual([
    ["delete chain inet portico a"],
    ["delete chain inet portico b"],
  ]);
});

it("reports what a monitor prints late that another, which began later, has not seen", () => {
  const { lines, changes } = setUp();
  const [first, second] = [lines.reader(), lines.reader()];
  first("delete chain inet portico a");
  second("# new generation 6 by process 1 (portico-nft)");
  first("# new generation 5 by process 1 (nft)");
  first("# new generation 6 by process 1 (portico-nft)");
  expect(changes.map(({ removed }) => removed)).toEqual([["delete chain inet portico a"]]);
});

it("takes the name of a process as it is, and reports that notifications were lost", () => {
  const { lines, changes, missed } = setUp();
  readInto(lines, "add chain inet portico x", "# new generation 7 by process 8 (a) b (c)");
  expect(changes).toMatchObject([{ process: "a) b (c", removed: [], addedCount: 1 }]);
  readInto(lines, "# ERROR: We lost some netlink events!");
  expect(missed).toEqual(["ERROR: We lost some netlink events!"]);
});

it("goes on when the number of generations begins again", () => {
  const { lines, changes } = setUp();
  readInto(lines, "delete table inet portico", "# new generation 4294967295 by process 8 (nft)");
  readInto(lines, "delete table inet portico", "# new generation 1 by process 8 (nft)");
  expect(changes.length).toBe(2);
});
