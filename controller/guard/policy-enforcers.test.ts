import { expect, it } from "vitest";
import { StoppedClock } from "../../test/stand-ins/stopped-clock.ts";
import type { Machine } from "../check/machine.ts";
import { lookForEnforcers, openPolicies, watchEnforcers } from "./policy-enforcers.ts";

/** A node with these chains of nftables, "family table name"; undefined: nft does not answer. */
function machine(chains: () => readonly string[] | undefined): Machine {
  const listing = (present: readonly string[]) => ({
    nftables: present.map((text) => {
      const [family, table, name] = text.split(" ");
      return { chain: { family, table, name } };
    }),
  });
  return {
    run: async (program) => {
      const present = chains();
      if (program === "ip") return { code: 0, stdout: "1: lo: <UP>\n", stderr: "" };
      if (program !== "nft" || present === undefined) return undefined;
      return { code: 0, stdout: JSON.stringify(listing(present)), stderr: "" };
    },
    file: async () => undefined,
    names: async () => [],
    link: async () => undefined,
    get: async () => undefined,
  };
}

class Log {
  readonly lines: string[] = [];
  info(line: string): void {
    this.lines.push(`info ${line.split(":")[0]}`);
  }
  warn(line: string): void {
    this.lines.push(`warn ${line.split(":")[0]}`);
  }
}

const CALICO = "ip calico filter-cali-FORWARD";
const ROUTER = "ip kube-router-filter-ipv4 KUBE-ROUTER-INPUT";
const OPEN = expect.stringMatching(/^network policies by Calico: ingress policies do not hold/);

it("refuses open policies at the start, unless they are allowed", async () => {
  const there = machine(() => [CALICO]);
  const look = (allowOpenPolicies: boolean) =>
    lookForEnforcers({ policyHook: "output", allowOpenPolicies }, new Log(), there);
  await expect(look(false)).rejects.toThrow(/Calico: .* add --allow-open-policies/);
  expect(openPolicies(await look(true))).toEqual([OPEN]);
});

it("notices later what comes, changes nothing else, and forgets what goes", async () => {
  let chains: readonly string[] | undefined = [ROUTER];
  const log = new Log();
  const there = machine(() => chains);
  const options = { policyHook: "output", allowOpenPolicies: false } as const;
  const known = await lookForEnforcers(options, log, there);
  expect(log.lines.splice(0)).toEqual(["info network policies by kube-router"]);

  const clock = new StoppedClock();
  const reports: string[][] = [];
  const end = watchEnforcers(known, {
    policyHook: "output",
    everyMs: 30_000,
    clock,
    log,
    report: (notHeld) => reports.push(notHeld),
    machine: there,
  });
  const turn = async (present: readonly string[] | undefined) => {
    chains = present;
    expect(clock.waiting.map(({ delayMs }) => delayMs)).toEqual([30_000]);
    clock.pass();
    await expect.poll(() => clock.waiting.length).toBe(1);
  };
  await turn([ROUTER]);
  expect(reports.splice(0)).toEqual([[]]);
  await turn([ROUTER, CALICO]);
  await turn([ROUTER, CALICO]);
  expect(reports.splice(0)).toEqual([[OPEN], [OPEN]]);
  expect(log.lines.splice(0)).toEqual(["warn network policies by Calico"]);
  // nft could not be started: nothing is known, so nothing is taken back.
  await turn(undefined);
  expect(reports.splice(0)).toEqual([]);
  await turn([ROUTER]);
  expect(reports.splice(0)).toEqual([[]]);
  expect(log.lines).toEqual([]);
  end();
  expect(clock.waiting).toEqual([]);
});
