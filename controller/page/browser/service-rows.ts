// One page of Services → rows, and the words and buttons below them.

import type { ServiceList, ServiceRow } from "../page-api.ts";
import { serverNow } from "./ask-server.ts";
import { byId, element, showList } from "./element.ts";
import { chosenService, hrefOf } from "./place.ts";
import { ago, bytes, count, plural } from "./words.ts";

export const ROWS_OF_A_PAGE = 50;
/** More backends than this are shown as a number only. */
const DOTS_SHOWN = 10;

const HEALTH_WORDS = {
  serving: "serving",
  partly: "some frontends have no backend",
  refusing: "no backend: connections fail",
} as const;

/** `empty`: the text to show when there are none. */
export function showRows(list: ServiceList, empty: string): void {
  const rows = byId("rows");
  if (list.rows.length === 0) {
    rows.replaceChildren(element("li", { class: "empty" }, empty));
    return;
  }
  const chosen = chosenService();
  // What a row shows in addition to its data is part of its identity.
  const items = list.rows.map((row) => ({
    ...row,
    chosen: keyOf(row) === chosen,
    age: row.changedAt === undefined ? "" : ago(serverNow() - row.changedAt),
  }));
  showList(rows, items, keyOf, rowItem);
}

function keyOf({ namespace, name }: ServiceRow): string {
  return `${namespace}/${name}`;
}

function rowItem(row: ServiceRow & { chosen: boolean; age: string }): Element {
  const level = levelOf(row);
  const current = row.chosen ? "true" : undefined;
  const link = element(
    "a",
    { class: "row", href: hrefOf(keyOf(row)), "aria-current": current },
    element(
      "span",
      { class: "name", "data-level": level },
      element("span", { class: "mark", role: "img", "aria-label": HEALTH_WORDS[row.health] }),
      element(
        "span",
        {},
        element("strong", {}, row.name),
        element("span", { class: "quiet" }, ` ${row.namespace}`),
        ...notes(row),
      ),
    ),
    element("span", { class: "doors" }, ...frontendChips(row)),
    element("span", { class: "backends" }, ...backendDots(row)),
    element("span", { class: "number" }, ...trafficWords(row)),
  );
  return element("li", {}, link);
}

function levelOf({ health, problems }: ServiceRow): string {
  if (health === "refusing") return "bad";
  return health === "partly" || problems > 0 ? "warn" : "good";
}

function notes({ health, problems, age }: ServiceRow & { age: string }): Element[] {
  const words = [
    ...(health === "serving" ? [] : [HEALTH_WORDS[health]]),
    ...(problems === 0 ? [] : [plural(problems, "problem")]),
    ...(age === "" ? [] : [`changed ${age}`]),
  ];
  return words.length === 0 ? [] : [element("small", { class: "note" }, words.join(" · "))];
}

function frontendChips({ doors, doorCount }: ServiceRow): Element[] {
  const chips = doors.map((door) => element("code", {}, door.replace(/\/TCP$/, "")));
  const more = doorCount - doors.length;
  return more > 0 ? [...chips, element("small", { class: "quiet" }, `+${more}`)] : chips;
}

function backendDots({ backends, localBackends }: ServiceRow): Element[] {
  const dots = element("span", { class: "dots", "aria-hidden": "true" });
  for (let index = 0; index < Math.min(backends, DOTS_SHOWN); index++) {
    dots.append(element("i", index < localBackends ? { class: "local" } : {}));
  }
  const local = localBackends > 0 ? ` · ${count(localBackends)} local` : "";
  return [dots, element("span", {}, backends === 0 ? "none" : `${count(backends)}${local}`)];
}

function trafficWords({ traffic }: ServiceRow): Element[] {
  if (!traffic) return [element("span", { class: "quiet" }, "–")];
  const moved = traffic.receivedBytesPerSecond + traffic.sentBytesPerSecond;
  if (traffic.connectionsPerSecond === 0 && traffic.openConnections === 0) {
    return moved > 0
      ? [element("span", {}, `${bytes(moved)}/s`)]
      : [element("span", { class: "quiet" }, "idle")];
  }
  const open = `${count(traffic.openConnections)} open`;
  const idle = traffic.connectionsPerSecond === 0 ? "quiet" : undefined;
  return [
    element("span", { class: idle }, `${count(traffic.connectionsPerSecond)}/s`),
    element("small", { class: "quiet" }, moved > 0 ? `${open} · ${bytes(moved)}/s` : open),
  ];
}

/** Calls `go` with the offset that the user wants to see. */
export function showPager({ total, offset, rows }: ServiceList, go: (to: number) => void): void {
  const pager = byId("pager");
  pager.hidden = total <= ROWS_OF_A_PAGE;
  const range = `${count(offset + 1)}–${count(offset + rows.length)} of ${count(total)}`;
  if (pager.dataset.range === range) return;
  pager.dataset.range = range;
  const focused = (document.activeElement as HTMLElement | null)?.dataset.go;
  const last = Math.floor(Math.max(0, total - 1) / ROWS_OF_A_PAGE) * ROWS_OF_A_PAGE;
  const button = (words: string, id: string, to: number) => {
    const isHere = to === offset || to < 0 || to > last;
    const disabled = isHere ? "" : undefined;
    const made = element("button", { type: "button", "data-go": id, disabled }, words);
    made.addEventListener("click", () => go(to));
    return made;
  };
  pager.replaceChildren(
    button("First", "first", 0),
    button("Previous", "previous", offset - ROWS_OF_A_PAGE),
    element("span", { "aria-live": "polite" }, range),
    button("Next", "next", offset + ROWS_OF_A_PAGE),
    button("Last", "last", last),
  );
  if (focused) pager.querySelector<HTMLElement>(`[data-go="${focused}"]`)?.focus();
}
