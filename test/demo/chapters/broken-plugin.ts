// Plugins that do not work are refused, and nobody notices.

import { Stream } from "../clients.ts";
import { compileMutePlugin, writeHalfPlugin } from "../plugin-builds.ts";
import { answeredText } from "../traffic.ts";
import type { Chapter, Stage } from "./stage.ts";

export const brokenPlugin: Chapter = async (stage) => {
  const { tell, store, portico, workspace } = stage;
  const { clusterIP, port } = store.service("orders-api");
  tell.chapter(
    "Broken plugins",
    "One file was cut off while it was copied, another loads but answers nothing. Both are refused",
    "with the reason, and the plugin that serves goes on.",
  );
  const half = await writeHalfPlugin(workspace.directory);
  const mute = await compileMutePlugin(workspace.directory);
  const before = await portico.pluginBuild();
  const dialer = await store.pod("frontend-1").dialer();
  const newOnes = new Stream(dialer, clusterIP, port);
  await checkRefused(stage, "half.wasm", half);
  await checkRefused(stage, "mute.wasm", mute);
  const stream = await newOnes.stop();
  const after = await portico.pluginBuild();
  tell.check({
    what: "the plugin that serves",
    holds: after === before && after !== "",
    expected: before,
    seen: after,
  });
  tell.check({
    what: "new connections all the while",
    holds: stream.failures.size === 0 && stream.answered > 0,
    expected: "all answered",
    seen: answeredText(stream),
  });
};

async function checkRefused({ tell, portico }: Stage, name: string, file: string): Promise<void> {
  const { code, stdout, stderr } = await portico.command("plugin", "load", file);
  tell.terminal(`portico plugin load ${name}`, stdout + stderr);
  tell.check({
    what: name,
    holds: code !== 0 && stderr.trim() !== "",
    expected: "refused, with a reason",
    seen: code === 0 ? "taken" : "refused",
  });
}
