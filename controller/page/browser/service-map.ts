// Every matching Service as one small square: shows at a glance, among thousands, where something
// is wrong, and where traffic is. The list below it says the same in words.

import type { ServiceMap } from "../page-api.ts";
import { byId, element } from "./element.ts";

/** Below this the list alone is clearer. */
const LEAST_SERVICES = 40;
const MOST_HEIGHT = 300;
const SIZES = [18, 14, 11, 9, 7, 6, 5, 4];

/** Services fill rows, in their order. */
interface Layout {
  size: number;
  columns: number;
  rows: number;
}

export class MapView {
  readonly #canvas = byId<HTMLCanvasElement>("map-canvas");
  #map: ServiceMap | undefined;
  #layout: Layout | undefined;
  #pointed = -1;

  /** Both receive the index of a Service; -1: none. */
  constructor(on: { point: (index: number) => void; choose: (index: number) => void }) {
    this.#canvas.addEventListener("pointermove", (event) => {
      const index = this.#indexAt(event);
      if (index !== this.#pointed) on.point(index);
      this.#pointed = index;
    });
    this.#canvas.addEventListener("pointerleave", () => {
      this.#pointed = -1;
      on.point(-1);
    });
    this.#canvas.addEventListener("click", (event) => {
      const index = this.#indexAt(event);
      if (index >= 0) on.choose(index);
    });
    new ResizeObserver(() => this.#draw()).observe(byId("map"));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#draw());
  }

  show(map: ServiceMap): void {
    if (map === this.#map) return;
    if (map.health.length !== this.#map?.health.length) byId("map-name").textContent = "";
    this.#map = map;
    byId("map").hidden = map.health.length < LEAST_SERVICES;
    this.#draw();
  }

  #indexAt({ offsetX, offsetY }: MouseEvent): number {
    const layout = this.#layout;
    if (!layout) return -1;
    const column = Math.floor(offsetX / layout.size);
    const row = Math.floor(offsetY / layout.size);
    const index = row * layout.columns + column;
    const isOne = column < layout.columns && index < (this.#map?.health.length ?? 0);
    return isOne ? index : -1;
  }

  #draw(): void {
    const map = this.#map;
    const width = byId("map").clientWidth;
    if (!map || width === 0) return;
    const layout = layoutOf(map.health.length, width);
    this.#layout = layout;
    const { size, columns, rows } = layout;
    const scale = devicePixelRatio || 1;
    const canvas = this.#canvas;
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(rows * size * scale);
    canvas.style.height = `${rows * size}px`;
    const brush = canvas.getContext("2d");
    if (!brush) return;
    brush.scale(scale, scale);
    const colours = coloursOf(canvas);
    const gap = size > 6 ? 2 : 1;
    const odd = oddNamespaces(map);
    for (let index = 0; index < map.health.length; index++) {
      brush.fillStyle = colourOf(map, index, odd[index] === 1, colours);
      const x = (index % columns) * size;
      brush.fillRect(x, Math.floor(index / columns) * size, size - gap, size - gap);
    }
    showLegend(map);
  }
}

/** Returns the largest squares that do not make the map too high. */
function layoutOf(count: number, width: number): Layout {
  const layouts = SIZES.map((size) => {
    const columns = Math.max(1, Math.floor(width / size));
    return { size, columns, rows: Math.ceil(count / columns) };
  });
  const fitting = layouts.find(({ size, rows }) => rows * size <= MOST_HEIGHT);
  return fitting ?? (layouts.at(-1) as Layout);
}

/** Returns 1 for the Services of every second namespace, which are a shade lighter. */
function oddNamespaces({ namespaces, health }: ServiceMap): Uint8Array {
  const odd = new Uint8Array(health.length);
  let first = 0;
  for (const [index, { count }] of namespaces.entries()) {
    odd.fill(index % 2, first, first + count);
    first += count;
  }
  return odd;
}

interface Colours {
  bad: string;
  warn: string;
  /** By load, 0 to 9. */
  load: string[];
  calm: string;
  /** Calm, of every second namespace. */
  calmer: string;
}

function coloursOf(canvas: Element): Colours {
  const style = getComputedStyle(canvas);
  const named = (name: string) => style.getPropertyValue(name).trim();
  const load = Array.from({ length: 10 }, (_, step) => {
    const share = step === 0 ? 0 : 30 + step * 7.5;
    return `color-mix(in oklab, ${named("--accent")} ${share}%, ${named("--calm")})`;
  });
  const calmer = `color-mix(in oklab, ${named("--calm")} 62%, ${named("--surface")})`;
  return { bad: named("--bad"), warn: named("--warn"), load, calm: named("--calm"), calmer };
}

function colourOf(map: ServiceMap, index: number, isOdd: boolean, colours: Colours): string {
  const { health, load } = map;
  const calm = isOdd ? colours.calmer : colours.calm;
  const letter = health[index] ?? "s";
  if (letter.toLowerCase() === "r") return colours.bad;
  if (letter !== "s") return colours.warn;
  const step = load[index] ?? "-";
  return step === "-" || step === "0" ? calm : (colours.load[Number(step)] ?? calm);
}

function showLegend({ load }: ServiceMap): void {
  const isCounted = /\d/.test(load);
  const words = isCounted
    ? [
        ["calm", "no connections"],
        ["busy", "the busier, the bluer"],
      ]
    : [["calm", "serving"]];
  const entries = [...words, ["warn", "look at it"], ["bad", "no backend"]];
  byId("map-legend").replaceChildren(
    ...entries.map(([name, text = ""]) =>
      element("span", {}, element("i", { class: `key key-${name}` }), text),
    ),
  );
}
