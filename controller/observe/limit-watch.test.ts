import { expect, it } from "vitest";
import type { Problem } from "../model/types.ts";
import { DEFAULT_SETTINGS } from "../node/frontend-settings.ts";
import type { Frontend } from "../node/types.ts";
import { LimitWatch } from "./limit-watch.ts";
import type { ServiceStatsSnapshot } from "./service-stats.ts";

const LIMITED = {
  namespace: "shop",
  service: "web",
  settings: { ...DEFAULT_SETTINGS, maxConnections: 10 },
} as Frontend;
const FREE = { namespace: "shop", service: "free", settings: DEFAULT_SETTINGS } as Frontend;

function makeWatch(frontends: readonly Frontend[]) {
  let now = 0;
  let look: (() => void) | undefined;
  let refused = 5;
  let reads = 0;
  let reported: Problem[] = [];
  let fails = false;
  const watch = new LimitWatch({
    clock: {
      now: () => now,
      after: (milliseconds, then) => {
        look = () => {
          now += milliseconds;
          then();
        };
        return () => {};
      },
    },
    read: async () => {
      reads++;
      if (fails) throw new Error("no Envoy");
      const limited = { connections: refused, newConnections: 0 };
      const of = (service: string) => ({ namespace: "shop", service, port: "http", limited });
      return { services: [of("web"), of("free")] } as unknown as ServiceStatsSnapshot;
    },
    frontends: () => frontends,
    report: (problems) => {
      reported = problems;
    },
  });
  watch.start();
  return {
    /** One look later, after which so many more were refused; returns what is reported. */
    async pass(more: number): Promise<Problem[]> {
      refused += more;
      look?.();
      await new Promise(setImmediate);
      return reported;
    },
    fail: () => {
      fails = true;
    },
    reads: () => reads,
  };
}

it("reports a Service whose limit refuses for thirty seconds, until a minute after", async () => {
  const { pass } = makeWatch([LIMITED, FREE]);
  for (let look = 0; look < 4; look++) expect(await pass(1)).toEqual([]);
  const [problem, ...others] = await pass(1);
  expect(others).toEqual([]);
  expect(problem).toMatchObject({ object: "Service shop/web", reason: "ServiceLimited" });
  expect(problem?.message).toContain("portico.dev/max-connections");
  for (let look = 0; look < 5; look++) expect(await pass(0)).toEqual([problem]);
  expect(await pass(0)).toEqual([]);
});

it("reports nothing of what was refused before, or once", async () => {
  const { pass } = makeWatch([LIMITED]);
  expect(await pass(100)).toEqual([]);
  expect(await pass(1)).toEqual([]);
  for (let look = 0; look < 20; look++) expect(await pass(0)).toEqual([]);
});

it("keeps what it knows while Envoy does not answer", async () => {
  const { pass, fail } = makeWatch([LIMITED]);
  for (let look = 0; look < 5; look++) await pass(1);
  fail();
  expect(await pass(0)).toHaveLength(1);
});

it("asks nothing where no Service has limits", async () => {
  const { pass, reads } = makeWatch([FREE]);
  for (let look = 0; look < 3; look++) expect(await pass(1)).toEqual([]);
  expect(reads()).toBe(0);
});
