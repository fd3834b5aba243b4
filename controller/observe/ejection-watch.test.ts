import { describe, expect, it } from "vitest";
import type { Problem } from "../model/types.ts";
import { DEFAULT_SETTINGS } from "../node/frontend-settings.ts";
import type { Frontend } from "../node/types.ts";
import type { Ejection } from "../wire/ejected.ts";
import { EjectionWatch, ejectionProblems } from "./ejection-watch.ts";

function frontend(
  service: string,
  lasts: readonly number[],
  own: Partial<Frontend> = {},
): Frontend {
  const backends = lasts.map((last) => ({ address: `10.1.0.${last}`, port: 8080, local: false }));
  return {
    namespace: "shop",
    service,
    protocol: "TCP",
    settings: DEFAULT_SETTINGS,
    backends,
    localBackends: [],
    ...own,
  } as unknown as Frontend;
}

function ejection(last: number, own: Partial<Ejection> = {}): Ejection {
  return {
    backend: { address: `10.1.0.${last}`, port: 8080 },
    client: undefined,
    reason: "refused",
    secondsLeft: 8,
    secondsSince: 31,
    strikes: 5,
    failures: 6,
    isProbed: false,
    servesOthers: false,
    ...own,
  };
}

describe("problems", () => {
  const WEB = frontend("web", [1, 2, 3]);

  it("name the Service, the backends and how they fail", () => {
    const [problem, ...more] = ejectionProblems(
      [ejection(1), ejection(2, { reason: "timed-out" }), ejection(9)],
      [WEB, WEB, frontend("other", [4])],
    );
    expect(more).toEqual([]);
    expect(problem).toMatchObject({ object: "Service shop/web", reason: "BackendEjected" });
    expect(problem?.message).toContain(
      "10.1.0.1:8080 (connection refused), 10.1.0.2:8080 (no answer in time);",
    );
  });

  it("name no more than three", () => {
    const [problem] = ejectionProblems(
      [1, 2, 3, 4, 5].map((last) => ejection(last)),
      [frontend("web", [1, 2, 3, 4, 5])],
    );
    expect(problem?.message).toContain(" and 2 more;");
  });

  it.each<[string, Ejection, Frontend]>([
    ["what has not lasted", ejection(1, { secondsSince: 29 }), WEB],
    ["what is one client's", ejection(1, { client: "10.2.0.1" }), WEB],
    ["UDP", ejection(1), frontend("web", [1, 2], { protocol: "UDP" })],
    [
      "a Service without ejection",
      ejection(1),
      frontend("web", [1, 2], { settings: { ...DEFAULT_SETTINGS, ejection: false } }),
    ],
  ])("are not for %s", (_, of, list) => {
    expect(ejectionProblems([of], [list])).toEqual([]);
  });
});

it("asks every 5 s, counts backends once, and keeps problems without an answer", async () => {
  const answers: (Ejection[] | undefined | Error)[] = [
    [ejection(1), ejection(1, { client: "10.2.0.1" }), ejection(2, { client: "10.2.0.1" })],
    new Error("no Envoy"),
    [ejection(1, { secondsLeft: 0 })],
    undefined,
    [],
  ];
  const due: (() => void)[] = [];
  const reported: Problem[][] = [];
  const watch = new EjectionWatch({
    clock: {
      now: () => 0,
      after: (ms, act) => {
        expect(ms).toBe(5_000);
        due.push(act);
        return () => {};
      },
    },
    ejected: async () => {
      const answer = answers.shift();
      if (answer instanceof Error) throw answer;
      return answer;
    },
    frontends: () => [frontend("web", [1, 2, 3])],
    report: (problems) => reported.push(problems),
  });
  const stop = watch.start();
  const next = async () => {
    due.shift()?.();
    await new Promise(setImmediate);
    return watch.now;
  };
  expect(watch.now).toBeUndefined();
  expect(await next()).toEqual({ forAll: 1, forOneClient: 1 });
  expect(await next()).toBeUndefined();
  expect(await next()).toEqual({ forAll: 0, forOneClient: 0 });
  expect(await next()).toBeUndefined();
  expect(await next()).toEqual({ forAll: 0, forOneClient: 0 });
  expect(reported.map((problems) => problems.length)).toEqual([1, 1, 0]);
  stop();
  await next();
  expect(due).toEqual([]);
});
