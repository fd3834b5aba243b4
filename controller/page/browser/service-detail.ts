// One Service → its map (frontends on the left, endpoints on the right, a line where connections
// go), its settings, its traffic and its changes.

import type { EndpointDetail, FrontendDetail, ServiceDetail } from "../page-api.ts";
import { byId, element, svgElement } from "./element.ts";
import { showChanges } from "./figures.ts";
import { hrefOf } from "./place.ts";
import { bytes, count, plural } from "./words.ts";

/** More endpoints than this are shown on request. */
const ENDPOINTS_SHOWN = 12;
/** As .flow li in service.css. */
const ROW_HEIGHT = 46;

const VERDICT_WORDS: Record<string, string> = {
  masquerade: "clients' addresses are hidden",
  local: "from outside: local backends only",
  "short-circuit": "no local backend: dropped from outside",
  refuse: "no backend: refused",
  drop: "no backend: dropped",
};

let shownAll = "";
let shown: ServiceDetail | undefined;

/** Undefined: no Service is chosen. */
export function showDetail(detail: ServiceDetail | undefined): void {
  const card = byId("detail");
  card.hidden = detail === undefined;
  if (!detail || detail === shown) return;
  shown = detail;
  const hadFocus = card.contains(document.activeElement);
  card.replaceChildren(head(detail), ...problemNotes(detail), flow(detail), ...facts(detail));
  const list = card.querySelector(".changes");
  if (list) showChanges(list, detail.changes, false);
  if (hadFocus) card.querySelector<HTMLElement>(".close")?.focus();
}

/** Shows that the chosen Service does not exist, or no longer exists. */
export function showMissing(name: string): void {
  shown = undefined;
  const card = byId("detail");
  card.hidden = false;
  const title = element("h2", {}, name);
  const words =
    "No Service of this name is served on this node. It may be deleted, headless, or " + "assigned";
  card.replaceChildren(
    element("div", { class: "card-head" }, title, closeLink()),
    element("p", { class: "empty" }, `${words} to another proxy.`),
  );
}

function closeLink(): Element {
  return element("a", { class: "close", href: hrefOf(""), "aria-label": "Close" }, "✕");
}

function head({ namespace, name, traffic }: ServiceDetail): Element {
  const title = element("h2", {}, name, element("span", { class: "quiet" }, ` ${namespace}`));
  const box = element("div", {}, title);
  if (traffic) {
    const moved = traffic.receivedBytesPerSecond + traffic.sentBytesPerSecond;
    const words = [
      `${count(traffic.connectionsPerSecond)} connections/s`,
      `${count(traffic.openConnections)} open`,
      `${bytes(moved)}/s`,
      ...(traffic.failuresPerSecond > 0 ? [`${count(traffic.failuresPerSecond)} fail/s`] : []),
    ];
    box.append(element("p", { class: "note" }, words.join(" · ")));
  }
  return element("div", { class: "card-head" }, box, closeLink());
}

function problemNotes({ problems }: ServiceDetail): Element[] {
  return problems.map((message) => element("p", { class: "notice" }, message));
}

function flow(detail: ServiceDetail): Element {
  const key = `${detail.namespace}/${detail.name}`;
  const isWhole = shownAll === key || detail.endpoints.length <= ENDPOINTS_SHOWN;
  const endpoints = isWhole ? detail.endpoints : detail.endpoints.slice(0, ENDPOINTS_SHOWN);
  const doors = element("ol", { class: "flow-doors" }, ...detail.doors.map(frontendItem));
  const list = element("ol", { class: "flow-endpoints" }, ...endpoints.map(endpointItem));
  if (endpoints.length === 0) {
    const words = "No endpoints: does a Pod match its selector?";
    list.append(element("li", { class: "empty" }, words));
  }
  const rest = detail.endpointCount - endpoints.length;
  if (rest > 0) list.append(moreItem(rest, isWhole, key, detail));
  const titles = element(
    "div",
    { class: "flow-titles" },
    element("h3", {}, plural(detail.doors.length, "frontend")),
    element("h3", {}, plural(detail.endpointCount, "endpoint")),
  );
  const lines = flowLines(detail.doors, endpoints.length);
  return element("div", {}, titles, element("div", { class: "flow" }, doors, lines, list));
}

function moreItem(rest: number, isWhole: boolean, key: string, detail: ServiceDetail): Element {
  if (isWhole) return element("li", { class: "quiet" }, `and ${count(rest)} more`);
  const button = element("button", { type: "button" }, `show ${count(rest)} more`);
  button.addEventListener("click", () => {
    shownAll = key;
    shown = undefined;
    showDetail(detail);
  });
  return element("li", {}, button);
}

function frontendItem({ door, kind, portName, verdict, allowedSources }: FrontendDetail): Element {
  const isClosed = verdict === "refuse" || verdict === "drop";
  const words = VERDICT_WORDS[verdict] ?? "";
  const all = isClosed ? [words, portName, kind] : [portName, kind, words];
  const notes = all.filter((each) => each !== "");
  if (allowedSources.length > 0) notes.push(`from ${allowedSources.join(", ")} only`);
  return element(
    "li",
    { "data-level": isClosed ? "bad" : "good" },
    element("code", { title: door }, door.replace(/\/TCP$/, "")),
    element("small", { title: notes.join(" · ") }, notes.join(" · ")),
  );
}

function endpointItem(detail: EndpointDetail): Element {
  const { endpoint, pod, node, zone, local, used, state, fails } = detail;
  const failing = fails === "" ? "" : `ejected: ${fails}`;
  const notes = [state, failing, pod, local ? "" : node, zone].filter((each) => each !== "");
  const isWell = state === "" && fails === "";
  const dot = local ? [element("i", { class: "local", title: "on this node" })] : [];
  return element(
    "li",
    { class: used ? "used" : "unused", "data-level": isWell ? "good" : "warn" },
    element("code", { title: endpoint }, ...dot, endpoint),
    element("small", { title: notes.join(" · ") }, notes.join(" · ") || "ready"),
  );
}

/** A frontend whose backends are all hidden has its line to the end of the list. */
function flowLines(doors: readonly FrontendDetail[], endpoints: number): Element {
  const height = Math.max(doors.length, endpoints, 1) * ROW_HEIGHT;
  const lines = svgElement("svg", {
    class: "flow-lines",
    viewBox: `0 0 100 ${height}`,
    preserveAspectRatio: "none",
    height,
    "aria-hidden": "true",
  });
  const middle = (row: number) => row * ROW_HEIGHT + ROW_HEIGHT / 2;
  for (const [row, { backends, backendCount }] of doors.entries()) {
    const from = middle(row);
    if (backendCount === 0) {
      lines.append(svgElement("path", { class: "closed", d: `M0,${from} L42,${from}` }));
      const stop = `M42,${from - 8} L42,${from + 8}`;
      lines.append(svgElement("path", { class: "stop", d: stop }));
    }
    for (const index of backends) {
      if (index >= endpoints) continue;
      const to = middle(index);
      lines.append(svgElement("path", { d: `M0,${from} C50,${from} 50,${to} 100,${to}` }));
    }
  }
  return lines;
}

function facts({ settings }: ServiceDetail): Element[] {
  const list = element("dl", { class: "settings" });
  for (const { name, value } of settings) {
    list.append(element("dt", {}, name), element("dd", {}, value));
  }
  const changes = element("ol", { class: "changes" });
  return [list, element("h3", {}, "Changes"), changes];
}
