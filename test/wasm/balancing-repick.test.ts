// Each balancing where a backend does not accept: never one that its list lacks, none twice while
// there are others; and with session affinity, which is asked first.

import { describe, expect, it } from "vitest";
import type { Balancing } from "../../controller/model/types.ts";
import { DEFAULT_SETTINGS } from "../../controller/node/frontend-settings.ts";
import type { Backend, Frontend } from "../../controller/node/types.ts";
import { backends, backendText, frontend } from "./table-fixtures.ts";
import { AT, ATTEMPTS, WaitingHost } from "./waiting-host.ts";

const BALANCINGS: readonly Balancing[] = [
  "random",
  "least-connections",
  "round-robin",
  "client-hash",
  "weighted",
  "failover",
];
const COUNTS = [1, 2, 9, 128, 129];

function balanced(balancing: Balancing, list: Backend[], own: Partial<Frontend> = {}): Frontend {
  const settings = { ...DEFAULT_SETTINGS, balancing, ejection: false };
  return frontend(1, { backends: list, settings, ...own });
}

/** Every third is preferred, and weighs more. */
function flagged(count: number): Backend[] {
  return backends(count).map((each, index) => {
    return index % 3 === 0 ? { ...each, weight: 9, isPreferred: true } : each;
  });
}

function texts(list: readonly Backend[]): string[] {
  return list.map(backendText);
}

describe.each(BALANCINGS)("%s", (balancing) => {
  it.each(COUNTS)("tries all others of %i, and then again", async (count) => {
    const list = flagged(count);
    const waiting = await WaitingHost.load([balanced(balancing, list)]);
    for (let run = 0; run < 10; run++) {
      const attempted = waiting.refuseAll();
      expect(texts(list)).toEqual(expect.arrayContaining(attempted));
      expect(new Set(attempted).size).toBe(Math.min(count, ATTEMPTS));
    }
  });

  it("stays in the local list", async () => {
    const list = flagged(9);
    const localBackends = list.slice(0, 3);
    const waiting = await WaitingHost.load([balanced(balancing, list, { localBackends })]);
    for (let run = 0; run < 10; run++) {
      const attempted = waiting.refuseAll({ list: "local" });
      expect(new Set(attempted)).toEqual(new Set(texts(localBackends)));
    }
  });

  it("follows a list that changes, and keeps to session affinity", async () => {
    const { host } = await WaitingHost.load([
      balanced(balancing, flagged(9), { affinityTimeoutSeconds: 60 }),
    ]);
    const clients = Array.from({ length: 20 }, (_, index) => `10.7.0.${index}:1`);
    for (const source of clients) {
      const first = host.connect(AT, { source }).backend;
      for (let i = 0; i < 5; i++) expect(host.connect(AT, { source }).backend).toBe(first);
    }
  });
});

describe("client-hash", () => {
  it.each([9, 129])(
    "gives a client the backend that it would have if one of %i left",
    async (count) => {
      const list = backends(count);
      const waiting = await WaitingHost.load([balanced("client-hash", list)]);
      for (let client = 0; client < 20; client++) {
        const source = `10.7.0.${client}:1`;
        const [first, second] = waiting.refuseAll({ source });
        const others = list.filter((each) => backendText(each) !== first);
        const { host } = await WaitingHost.load([balanced("client-hash", others)]);
        expect(host.connect(AT, { source }).backend).toBe(second);
      }
    },
  );
});

describe("failover", () => {
  it.each([9, 12, 129])("tries all preferred of %i before the others", async (count) => {
    const list = flagged(count);
    const waiting = await WaitingHost.load([balanced("failover", list)]);
    const preferred = new Set(texts(list.filter(({ isPreferred }) => isPreferred)));
    for (let run = 0; run < 20; run++) {
      const isPreferred = waiting.refuseAll().map((backend) => preferred.has(backend));
      const first = Math.min(preferred.size, ATTEMPTS);
      expect(isPreferred.slice(0, first)).toEqual(Array(first).fill(true));
      expect(isPreferred.slice(first, count)).not.toContain(true);
    }
  });
});
