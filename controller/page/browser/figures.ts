// The state of the node → the tiles, its health, its problems and its changes.

import type { Change, Finding, Level, PageState, TrafficNow } from "../page-api.ts";
import { serverNow } from "./ask-server.ts";
import { shares, sparkline } from "./chart.ts";
import { byId, element, showList } from "./element.ts";
import { linkTo } from "./place.ts";
import { ago, bytes, count, plural } from "./words.ts";

const PILL_WORDS: Record<Level, string> = {
  good: "serving",
  warn: "serving, with warnings",
  bad: "needs attention",
};

/**
 * Shows the state of the node in the whole page except the list and the map of Services, and in the
 * title of the tab.
 */
export function showState(state: PageState): void {
  document.title = `${state.level === "good" ? "" : "⚠ "}${state.node} – Portico`;
  byId("node").textContent = state.node;
  byId("node").title = `Portico ${state.version}`;
  showPill(state.level, PILL_WORDS[state.level]);
  byId("attention").textContent = state.attention > 0 ? count(state.attention) : "";
  showTiles(state);
  byId("findings").replaceChildren(...state.findings.map(findingItem));
  document.body.classList.toggle("uncounted", !state.counted);
  showProblems(state);
  showChanges(byId("changes"), state.changes, true);
}

/** Shows a status that screen readers read aloud only when the words change. */
export function showPill(level: Level, text: string): void {
  const pill = byId("health");
  pill.dataset.level = level;
  const words = pill.querySelector(".pill-text");
  if (words && words.textContent !== text) words.textContent = text;
}

function showTiles(state: PageState): void {
  const { traffic, history } = state;
  const tiles = [
    tile("Services", count(state.services), attentionWords(state.attention), healthShares(state)),
    tile(
      "Backends",
      count(state.backends),
      `${count(state.localBackends)} on this node`,
      placeShares(state),
    ),
    tile(
      "Connections/s",
      traffic ? count(traffic.connectionsPerSecond) : "–",
      failureWords(traffic?.failuresPerSecond),
      sparkline(history.connectionsPerSecond, "connections per second, last five minutes"),
    ),
    tile(
      "Open connections",
      traffic ? count(traffic.openConnections) : "–",
      "TCP, through Envoy",
      sparkline(history.openConnections, "open connections, last five minutes"),
    ),
    tile(
      "Bytes/s",
      traffic ? bytes(traffic.receivedBytesPerSecond + traffic.sentBytesPerSecond) : "–",
      byteWords(traffic),
      sparkline(history.bytesPerSecond, "bytes per second, last five minutes"),
    ),
  ];
  byId("tiles").replaceChildren(...tiles);
}

function attentionWords(attention: number): string {
  if (attention === 0) return "all of them are served";
  return `${plural(attention, "needs", "need")} attention`;
}

/** The worst come first, so that a few are not hidden at the end of the bar. */
function healthShares({ health }: PageState): Element {
  return shares([
    { name: "bad", value: health.refusing },
    { name: "warn", value: health.partly },
    { name: "good", value: health.serving },
  ]);
}

function placeShares({ backends, localBackends }: PageState): Element {
  return shares([
    { name: "local", value: localBackends },
    { name: "remote", value: backends - localBackends },
  ]);
}

function byteWords(traffic: TrafficNow | undefined): string {
  if (!traffic) return "measuring";
  const { receivedBytesPerSecond: received, sentBytesPerSecond: sent } = traffic;
  return `TCP: ${bytes(received)} in, ${bytes(sent)} out`;
}

function failureWords(perSecond: number | undefined): string {
  if (perSecond === undefined) return "measuring";
  return perSecond === 0 ? "all reach a backend" : `${count(perSecond)} per second fail`;
}

function tile(name: string, value: string, note: string, chart?: Element): Element {
  const made = element(
    "div",
    { class: "tile" },
    element("h2", {}, name),
    element("p", { class: "figure" }, value),
    element("p", { class: "note" }, note),
  );
  if (chart) made.append(chart);
  return made;
}

function findingItem({ level, title, detail, at }: Finding): Element {
  const words = at === undefined ? detail : `${detail}, ${ago(serverNow() - at)}`;
  return element(
    "li",
    { "data-level": level },
    element("span", { class: "mark", role: "img", "aria-label": level }),
    element("div", {}, element("strong", {}, title), " ", element("span", {}, words)),
  );
}

function showProblems({ problems, problemCount }: PageState): void {
  byId("problems-card").hidden = problemCount === 0;
  const rest = problemCount - problems.length;
  const more = rest > 0 ? [{ object: `${count(rest)} more`, message: "" }] : [];
  const identity = (problem: PageState["problems"][number]) => problem.object + problem.message;
  showList(byId("problems"), [...problems, ...more], identity, ({ object, message }) => {
    const name = /^Service (\S+\/\S+)$/.exec(object)?.[1];
    const title = name === undefined ? element("strong", {}, object) : linkTo(name);
    return element("li", {}, title, " ", element("span", {}, message));
  });
}

/** `named`: shows the Service that each is about. */
export function showChanges(list: Element, changes: readonly Change[], named: boolean): void {
  if (changes.length === 0) {
    list.replaceChildren(element("li", { class: "empty" }, "Nothing changed."));
    return;
  }
  // The age is part of the item, so that an entry is updated when its age changes.
  const items = changes.map((change) => ({ ...change, age: ago(serverNow() - change.at) }));
  showList(
    list,
    items,
    ({ id }) => String(id),
    ({ level, age, at, service, text }) => {
      const time = element("time", { datetime: new Date(at).toISOString() }, age);
      const what = element("div", {});
      if (named && service !== "") what.append(linkTo(service), " ");
      what.append(text);
      const mark = element("span", { class: "mark", role: "img", "aria-label": level });
      return element("li", { "data-level": level }, mark, what, time);
    },
  );
}
