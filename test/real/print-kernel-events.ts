// Prints what the kernel watch of this network namespace reports, one JSON line each. Ends at the
// end of its standard input; a line on it has one of the watch's programs killed.

import { execFileSync } from "node:child_process";
import { createInterface } from "node:readline";
import { OWN_NFT } from "../../controller/capture/named-nft.ts";
import { type KernelEvents, KernelWatch } from "../../controller/kernel-watch/kernel-watch.ts";
import { systemClock } from "../../controller/system/clock.ts";

const print = (kind: string, event: unknown) => console.log(JSON.stringify({ kind, event }));

const watch = new KernelWatch({
  clock: systemClock,
  table: "inet portico",
  ownProcess: OWN_NFT,
  onTrouble: (of, why) => print("trouble", { of, why }),
});
const kinds: (keyof KernelEvents)[] = ["rule", "route", "address", "link", "nftables", "missed"];
for (const kind of [...kinds, "setting"] as const) {
  watch.listen(kind, (event) => print(kind, event));
}
for (const path of process.argv.slice(2)) watch.watchSetting(path);
watch.start();
const lines = createInterface({ input: process.stdin });
lines.on("line", (name) => {
  const pids = execFileSync("ps", ["-o", "pid=,comm=", "--ppid", String(process.pid)]).toString();
  for (const [, pid] of pids.matchAll(new RegExp(`(\\d+) ${name}$`, "gm"))) {
    process.kill(Number(pid), "SIGKILL");
  }
});
lines.on("close", () => {
  watch.stop();
  process.exit();
});
