// Chromium: where it is on this machine, or installed through apt. A test run that cannot have it
// ends with the reason, and passes nothing.

import { isInstalled } from "../demo/prerequisites.ts";
import { runCommand } from "../namespaces/command.ts";

const NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
/** With letters to read the screenshots by. */
const PACKAGES = ["chromium", "fonts-dejavu-core"];
const APT_MS = 400_000;
/** Others may be installing at this moment. */
const APT = ["-o", "DPkg::Lock::Timeout=300"];

/** $CHROMIUM, or a program on PATH. Throws when there is none and none can be installed. */
export async function findChromium(say: (line: string) => void): Promise<string> {
  const present = process.env.CHROMIUM ?? NAMES.find(isInstalled);
  if (present) return present;
  say("page: installing chromium with apt-get");
  const reason = await install();
  const installed = NAMES.find(isInstalled);
  if (installed) return installed;
  throw new Error(`the tests of the live page need Chromium, and apt-get has none: ${reason}`);
}

/** What apt-get said when it failed. */
async function install(): Promise<string> {
  const options = { allowFailure: true, timeoutMs: APT_MS };
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  const args = [...APT, "install", "--yes", "--no-install-recommends", ...PACKAGES];
  const first = await runCommand("apt-get", args, { ...options, env });
  if (first.code === 0) return "";
  await runCommand("apt-get", [...APT, "update"], { ...options, env });
  const second = await runCommand("apt-get", args, { ...options, env });
  return second.stderr.trim().split("\n").at(-1) ?? "";
}
