// Long requests and answers over a path with a narrow link in it (narrow-lab.ts). What DNAT brings
// through, Portico does: with rules for it, the same cases come first.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FAMILIES, NarrowLab, WORLDS } from "./narrow-lab.ts";

/**
 * What DNAT does not bring through either (Linux 6.18): a host's socket learns the path MTU for the
 * Service, and fragments to it, but the kernel puts a datagram that the node's own MTU suffices for
 * together again once it has translated it.
 */
const LOST_BY_DNAT =
  /^request of (1253|1273|1400) bytes, cluster IP from host to a backend far away$/;

let lab: NarrowLab;
beforeAll(async () => {
  lab = await NarrowLab.make();
});
afterAll(() => lab?.close());

describe.each(WORLDS)("%s brings through a narrow path", (world) => {
  beforeAll(() => (world === "DNAT" ? lab.startDNAT() : lab.startPortico()));
  afterAll(() => (world === "DNAT" ? lab.stopDNAT() : undefined));

  for (const family of FAMILIES) {
    it(`datagrams of any size, ${family}`, async () => {
      const cases = lab.datagrams(world, family);
      expect(cases.length).toBe(180);
      const lost = await lab.unanswered(cases);
      const isExpected = (name: string) => world === "Portico" || !LOST_BY_DNAT.test(name);
      expect(lost.filter(isExpected)).toEqual([]);
    });

    it(`connections, ${family}`, async () => {
      const cases = lab.streams(world, family);
      expect(cases.length).toBe(18);
      expect(await lab.unanswered(cases)).toEqual([]);
    });
  }
});
