// The plugin is replaced under traffic, by one that decides otherwise, and put back.

import { LongConnections, Stream } from "../clients.ts";
import { compileFirstBackendPlugin } from "../plugin-builds.ts";
import {
  answeredBy,
  answeredText,
  countsText,
  type Figures,
  figuresFromDials,
} from "../traffic.ts";
import type { Chapter, Stage } from "./stage.ts";

const LONG = 8;
const TRIES = 40;

export const newPlugin: Chapter = async (stage) => {
  const { tell, store, portico, workspace } = stage;
  const { clusterIP, port } = store.service("orders-api");
  const backends = (await store.podsOf("orders-api")).map(({ name }) => name);
  tell.chapter(
    "A new plugin, under traffic",
    "What picks the backend is a WebAssembly plugin inside Envoy. Here is another, compiled just",
    "now with one line changed: it picks the first backend always. It is loaded, then taken back.",
  );
  const file = await compileFirstBackendPlugin(workspace.directory);
  const before = await portico.pluginBuild();
  const dialer = await store.pod("frontend-1").dialer();
  const long = new LongConnections();
  await long.add(dialer, clusterIP, port, LONG);
  const newOnes = new Stream(dialer, clusterIP, port);

  const loaded = await portico.command("plugin", "load", file);
  tell.terminal("portico plugin load first-backend.wasm", loaded.stdout + loaded.stderr);
  const during = await portico.pluginBuild();
  const changed = await dialled(stage);
  const reset = await portico.command("plugin", "reset");
  tell.terminal("portico plugin reset", reset.stdout + reset.stderr);
  const after = await portico.pluginBuild();
  const back = await dialled(stage);

  const stream = await newOnes.stop();
  const alive = await long.finish();
  tell.check({
    what: "builds of the plugin that served",
    holds: before !== during && after === before && during !== "",
    expected: "one, another, and the first again",
    seen: `${before}, ${during}, ${after}`,
  });
  tell.check({
    what: "the new one's picks",
    holds: changed.failures.size === 0 && answeredBy(changed, backends.slice(0, 1)),
    expected: `${backends[0]} ${TRIES}`,
    seen: countsText(changed.names),
  });
  tell.check({
    what: "picks after it was taken back",
    holds: back.failures.size === 0 && answeredBy(back, backends),
    expected: backends.join(", "),
    seen: countsText(back.names),
  });
  checkUndisturbed(stage, stream, alive);
};

async function dialled({ store }: Stage): Promise<Figures> {
  const { clusterIP, port } = store.service("orders-api");
  const dialer = await store.pod("frontend-1").dialer();
  return figuresFromDials(await dialer.dial(clusterIP, port, { tries: TRIES }));
}

function checkUndisturbed({ tell }: Stage, stream: Figures, alive: number): void {
  tell.check({
    what: "new connections all the while",
    holds: stream.failures.size === 0 && stream.answered > 0,
    expected: "all answered",
    seen: answeredText(stream),
  });
  tell.check({
    what: "open connections",
    holds: alive === LONG,
    expected: `${LONG} of ${LONG} go on`,
    seen: `${alive} of ${LONG} go on`,
  });
}
