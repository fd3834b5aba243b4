// Series of points → an SVG with a panel for each plot, both axes logarithmic. Pure. Points
// not above 0 have no place on such axes and are left out.

interface Series {
  name: string;
  points: readonly (readonly [x: number, y: number])[];
}

export interface Plot {
  title: string;
  /** What stands at the axes. */
  x: string;
  y: string;
  series: readonly Series[];
}

const PANEL = { width: 440, height: 300, left: 58, right: 28, top: 34, bottom: 62 };
const COLUMNS = 2;
/** Told apart by colour-blind readers too (Okabe and Ito). */
const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00"];
const STYLE = "font-family='sans-serif' font-size='11' fill='#333'";

/** The text of an SVG file. */
export function plotsSvg(plots: readonly Plot[]): string {
  const columns = Math.min(COLUMNS, plots.length);
  const [width, height] = [columns * PANEL.width, Math.ceil(plots.length / COLUMNS) * PANEL.height];
  const panels = plots.map((plot, index) => {
    const [x, y] = [(index % COLUMNS) * PANEL.width, Math.floor(index / COLUMNS) * PANEL.height];
    return `<g transform='translate(${x} ${y})'>\n${panel(plot)}\n</g>`;
  });
  return [
    `<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 ${width} ${height}' ${STYLE}>`,
    `<title>${plots.map(({ title }) => title).join("; ")}</title>`,
    `<rect width='${width}' height='${height}' fill='#fff'/>`,
    ...panels,
    "</svg>\n",
  ].join("\n");
}

function panel({ title, x, y, series }: Plot): string {
  const shown = series.map(({ name, points }) => ({
    name,
    points: points.filter(([px, py]) => px > 0 && py > 0),
  }));
  const all = shown.flatMap(({ points }) => points);
  const across = axis(
    all.map(([px]) => px),
    PANEL.left,
    PANEL.width - PANEL.right,
  );
  const up = axis(
    all.map(([, py]) => py),
    PANEL.height - PANEL.bottom,
    PANEL.top,
  );
  return [
    text(PANEL.left, 20, title, "font-size='13' font-weight='bold'"),
    text((PANEL.left + PANEL.width) / 2, PANEL.height - 28, x, "text-anchor='middle'"),
    `<g transform='translate(13 ${PANEL.height / 2}) rotate(-90)'>`,
    text(0, 0, y, "text-anchor='middle'"),
    "</g>",
    ...across.ticks.flatMap((tick) => [
      line(across.at(tick), PANEL.top, across.at(tick), PANEL.height - PANEL.bottom),
      text(across.at(tick), PANEL.height - PANEL.bottom + 14, label(tick), "text-anchor='middle'"),
    ]),
    ...up.ticks.flatMap((tick) => [
      line(PANEL.left, up.at(tick), PANEL.width - PANEL.right, up.at(tick)),
      text(PANEL.left - 5, up.at(tick) + 4, label(tick), "text-anchor='end'"),
    ]),
    ...shown.map(({ name, points }, index) => {
      const places = points.map(([px, py]) => [across.at(px), up.at(py)] as const);
      return curve(name, places, index, shown.length);
    }),
  ].join("\n");
}

/** From the decade below the least value to the one above the greatest. */
function axis(values: readonly number[], from: number, to: number) {
  const least = Math.floor(Math.log10(Math.min(...values)));
  const greatest = Math.max(least + 1, Math.ceil(Math.log10(Math.max(...values))));
  const decades = greatest - least;
  const at = (value: number) => from + ((Math.log10(value) - least) / decades) * (to - from);
  const ticks = Array.from({ length: decades + 1 }, (_, index) => 10 ** (least + index));
  return { at, ticks };
}

function curve(
  name: string,
  places: readonly (readonly [number, number])[],
  index: number,
  count: number,
): string {
  const colour = COLOURS[index % COLOURS.length] ?? "#000";
  const path = places.map((place) => place.map((each) => each.toFixed(1)).join(",")).join(" ");
  const dots = places.map(([x, y]) => {
    return `<circle cx='${x.toFixed(1)}' cy='${y.toFixed(1)}' r='3' fill='${colour}'/>`;
  });
  const legend = PANEL.left + (index * (PANEL.width - PANEL.left)) / count;
  return [
    `<polyline points='${path}' fill='none' stroke='${colour}' stroke-width='2'/>`,
    ...dots,
    `<circle cx='${legend}' cy='${PANEL.height - 10}' r='4' fill='${colour}'/>`,
    text(legend + 8, PANEL.height - 6, name, ""),
  ].join("\n");
}

function line(x1: number, y1: number, x2: number, y2: number): string {
  const places = { x1, y1, x2, y2 };
  const given = Object.entries(places).map(([name, value]) => `${name}='${value.toFixed(1)}'`);
  return `<line ${given.join(" ")} stroke='#ddd'/>`;
}

function text(x: number, y: number, content: string, more: string): string {
  const escaped = content.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  return `<text x='${x.toFixed(1)}' y='${y.toFixed(1)}' ${more}>${escaped}</text>`;
}

function label(value: number): string {
  return value < 1 ? String(Number(value.toPrecision(1))) : value.toLocaleString("en");
}
