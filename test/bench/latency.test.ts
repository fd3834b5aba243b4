import { expect, it } from "vitest";
import { Figures } from "./latency/figures.ts";
import { plotsOf } from "./latency/growth.ts";
import { clusterObjects, numberedSlice } from "./latency/objects.ts";
import { selfTimes } from "./latency/self-times.ts";
import { NODES } from "./synthetic-cluster.ts";

it("gives each statistic a row with Portico's ratio to each other proxy", () => {
  const figures = new Figures();
  for (const sample of [10, 20, 30]) figures.add("portico", "obeyed", "ms", sample, ["p50", "max"]);
  figures.add("kube-proxy", "obeyed", "ms", 200, ["p50", "max"]);
  expect(figures.rows()).toEqual([
    {
      what: "obeyed, p50",
      unit: "ms",
      values: { portico: 20, "kube-proxy": 200 },
      ratios: { "kube-proxy": 0.1 },
    },
    {
      what: "obeyed, max",
      unit: "ms",
      values: { portico: 30, "kube-proxy": 200 },
      ratios: { "kube-proxy": 0.15 },
    },
  ]);
});

it("leaves the time in which the program stood still out of a profile", () => {
  const node = (id: number, functionName: string) => {
    return { id, callFrame: { functionName, url: "", lineNumber: 0, columnNumber: 0 } };
  };
  const profile = {
    nodes: [node(1, "work"), node(2, "(idle)")],
    samples: [1, 2, 1],
    timeDeltas: [3_000, 5_000, 60_000_000],
  };
  const [, total = "", work = ""] = selfTimes(JSON.stringify(profile)).split("\n");
  expect(total).toMatch(/\(all but idle\) +3 /);
  expect(work).toMatch(/work +3 +100\.0 %/);
});

it("puts every hundredth endpoint on the measured node, and a revision changes one", () => {
  const slices = [...clusterObjects(200, 10)].filter(({ kind }) => kind === "EndpointSlice");
  const nodes = slices.flatMap((slice) =>
    (slice as unknown as { endpoints: { nodeName: string }[] }).endpoints.map((e) => e.nodeName),
  );
  expect(nodes).toHaveLength(2_000);
  expect(nodes.filter((name) => name === "node-1")).toHaveLength(2_000 / NODES);
  const [first, second] = [0, 1].map((revision) => JSON.stringify(numberedSlice(7, 10, revision)));
  expect(first).toEqual(JSON.stringify(slices[7]));
  expect(second).not.toEqual(first);
});

it("draws a row over the sizes, with a curve for each proxy that was measured", () => {
  const rowsOf = (portico: number, kubeProxy: number) => {
    const figures = new Figures();
    figures.add("portico", "memory", "MB", portico);
    figures.add("kube-proxy", "memory", "MB", kubeProxy);
    return figures.rows();
  };
  const plots = plotsOf([
    { services: 10, rows: rowsOf(90, 60) },
    { services: 1_000, rows: rowsOf(100, 120) },
  ]);
  expect(plots.find(({ title }) => title.startsWith("Memory"))?.series).toEqual([
    {
      name: "portico",
      points: [
        [10, 90],
        [1_000, 100],
      ],
    },
    {
      name: "kube-proxy",
      points: [
        [10, 60],
        [1_000, 120],
      ],
    },
  ]);
});
