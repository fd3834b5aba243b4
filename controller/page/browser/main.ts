// The live page in the browser: asks every two seconds while it is visible, and shows the answers.
// Its own state is only what the user has chosen, searched and sorted by.

import {
  MAP_PATH,
  type PageState,
  SERVICE_PATH,
  SERVICES_PATH,
  type ServiceDetail,
  type ServiceList,
  type ServiceMap,
  STATE_PATH,
} from "../page-api.ts";
import { ask, Unknown } from "./ask-server.ts";
import { byId } from "./element.ts";
import { showPill, showState } from "./figures.ts";
import { chosenService, hrefOf } from "./place.ts";
import { showDetail, showMissing } from "./service-detail.ts";
import { MapView } from "./service-map.ts";
import { ROWS_OF_A_PAGE, showPager, showRows } from "./service-rows.ts";

const ASK_EVERY_MS = 2_000;
/** From the last key to the search: the user may still be typing. */
const TYPING_MS = 120;

const looking = { search: "", show: "all", sort: "name", offset: 0 };
let asking: Promise<void> = Promise.resolve();
let timer: number | undefined;

const map = new MapView({
  point: (index) => void nameOf(index).then((name) => showName(name, index)),
  choose: (index) => {
    void nameOf(index).then((name) => {
      location.hash = hrefOf(name);
    });
  },
});
let pointed = -1;

/** One round at a time; a user's action starts another at once. */
function refresh(): void {
  clearTimeout(timer);
  asking = asking.then(round);
}

async function round(): Promise<void> {
  clearTimeout(timer);
  if (document.hidden) return;
  try {
    await showAll();
    hideBanner();
  } catch (error) {
    const { message } = error as Error;
    showBanner(message === "" ? "" : ` (${message})`);
  }
  timer = setTimeout(refresh, ASK_EVERY_MS);
}

async function showAll(): Promise<void> {
  const { search, show } = looking;
  const [state, list, whole] = await Promise.all([
    ask<PageState>(STATE_PATH),
    ask<ServiceList>(SERVICES_PATH, { ...asText(looking), limit: String(ROWS_OF_A_PAGE) }),
    ask<ServiceMap>(MAP_PATH, { search, show }),
  ]);
  showState(state);
  looking.offset = list.offset;
  showRows(list, emptyWords());
  showPager(list, (to) => {
    looking.offset = to;
    byId("services-title").scrollIntoView({ block: "start" });
    refresh();
  });
  map.show(whole);
  document.body.dataset.ready = "true";
  await showChosen();
}

async function showChosen(): Promise<void> {
  const name = chosenService();
  if (name === "") {
    showDetail(undefined);
    return;
  }
  try {
    showDetail(await ask<ServiceDetail>(SERVICE_PATH, { name }));
  } catch (error) {
    if (!(error instanceof Unknown)) throw error;
    showMissing(name);
  }
}

function asText(values: typeof looking): Record<string, string> {
  return { ...values, offset: String(values.offset) };
}

function emptyWords(): string {
  if (looking.search !== "") return `Nothing matches “${looking.search}”.`;
  if (looking.show === "attention") return "All is well: every frontend has a backend.";
  return "No Service is served here yet.";
}

function showBanner(reason: string): void {
  const banner = byId("banner");
  const words = `Portico does not answer${reason}. The data shown is stale; retrying.`;
  banner.textContent = words;
  banner.hidden = false;
  document.body.classList.add("stale");
  showPill("bad", "no answer");
}

function hideBanner(): void {
  byId("banner").hidden = true;
  document.body.classList.remove("stale");
}

/** Returns the name of the Service with this index on the map; empty for none. */
async function nameOf(index: number): Promise<string> {
  pointed = index;
  if (index < 0) return "";
  const { search, show } = looking;
  const query = { search, show, offset: String(index), limit: "1" };
  const { rows } = await ask<ServiceList>(SERVICES_PATH, query);
  return rows[0] ? `${rows[0].namespace}/${rows[0].name}` : "";
}

/** Shows the name unless the pointer has moved away by now. */
function showName(name: string, index: number): void {
  if (index === pointed) byId("map-name").textContent = name;
}

function listen(): void {
  const search = byId<HTMLInputElement>("search");
  let typing: number | undefined;
  search.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => {
      looking.search = search.value.trim();
      looking.offset = 0;
      refresh();
    }, TYPING_MS);
  });
  byId<HTMLSelectElement>("sort").addEventListener("change", (event) => {
    looking.sort = (event.target as HTMLSelectElement).value;
    looking.offset = 0;
    refresh();
  });
  const choices = document.querySelectorAll<HTMLElement>("[data-show]");
  for (const choice of choices) {
    choice.addEventListener("click", () => {
      looking.show = choice.dataset.show ?? "all";
      looking.offset = 0;
      for (const each of choices) each.setAttribute("aria-pressed", String(each === choice));
      refresh();
    });
  }
  document.addEventListener("keydown", (event) => {
    const isTyping = event.target instanceof HTMLInputElement;
    if (event.key === "/" && !isTyping) {
      event.preventDefault();
      search.focus();
    } else if (event.key === "Escape" && chosenService() !== "" && !isTyping) {
      location.hash = "";
    }
  });
  addEventListener("hashchange", () => {
    refresh();
    if (chosenService() !== "") {
      byId("detail").scrollIntoView({ block: "nearest" });
    }
  });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) refresh();
  });
}

listen();
refresh();
