import { expect, it } from "vitest";
import { plotsSvg } from "./plot.ts";

const plot = (points: [number, number][]) => ({
  title: "a < b",
  x: "Services",
  y: "ms",
  series: [{ name: "portico", points }],
});

/** The places of a curve's points. */
function places(svg: string): number[][] {
  const [, points = ""] = /polyline points='([^']*)'/.exec(svg) ?? [];
  return points.split(" ").map((pair) => pair.split(",").map(Number));
}

it("puts a decade as far from the next one as any other", () => {
  const [[x1 = 0, y1 = 0] = [], [x2 = 0, y2 = 0] = [], [x3 = 0, y3 = 0] = []] = places(
    plotsSvg([
      plot([
        [10, 1],
        [100, 10],
        [1_000, 100],
      ]),
    ]),
  );
  expect(x2 - x1).toBeCloseTo(x3 - x2);
  expect(y2 - y1).toBeCloseTo(y3 - y2);
  expect([x2 > x1, y2 < y1]).toEqual([true, true]);
});

it("leaves out what a logarithmic axis has no place for, and escapes texts", () => {
  const svg = plotsSvg([
    plot([
      [10, 0],
      [100, 10],
      [1_000, 20],
    ]),
  ]);
  expect(places(svg)).toHaveLength(2);
  expect(svg).toContain("a &lt; b");
});
