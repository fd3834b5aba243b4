// Numbers → small charts for tiles: a line with its area, a bar of shares.

import { svgElement } from "./element.ts";

const WIDTH = 160;
const HEIGHT = 36;
/** The chart is at least this many values wide: what is not measured yet is empty on the left. */
const LEAST_POINTS = 30;

/** Makes a bar of shares, each in the colour of its class. */
export function shares(parts: readonly { name: string; value: number }[]): Element {
  const total = parts.reduce((sum, { value }) => sum + value, 0) || 1;
  const bar = svgElement("svg", {
    class: "shares",
    viewBox: `0 0 ${WIDTH} 6`,
    preserveAspectRatio: "none",
    "aria-hidden": "true",
  });
  let x = 0;
  for (const { name, value } of parts) {
    const width = (value / total) * WIDTH;
    // A share of a few among thousands must be visible.
    const seen = value > 0 ? Math.max(width, 2) : 0;
    bar.append(svgElement("rect", { class: `share-${name}`, x, width: seen, height: 6 }));
    x += Math.max(width, seen);
  }
  return bar;
}

/** Empty with fewer than two values. Its scale starts at 0. */
export function sparkline(values: readonly number[], label: string): Element {
  const chart = svgElement("svg", {
    class: "spark",
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
    preserveAspectRatio: "none",
    role: "img",
    "aria-label": label,
  });
  if (values.length < 2) return chart;
  const top = Math.max(...values) || 1;
  const step = WIDTH / (Math.max(values.length, LEAST_POINTS) - 1);
  const points = values.map((value, index) => {
    const x = WIDTH - (values.length - 1 - index) * step;
    const y = HEIGHT - 1.5 - (value / top) * (HEIGHT - 4);
    return `${x.toFixed(1)},${y.toFixed(1)}`;
  });
  const first = points[0]?.split(",")[0] ?? "0";
  const area = `M${first},${HEIGHT} L${points.join(" L")} L${WIDTH},${HEIGHT} Z`;
  chart.append(
    svgElement("path", { class: "spark-area", d: area }),
    svgElement("path", { class: "spark-line", d: `M${points.join(" L")}` }),
  );
  return chart;
}
