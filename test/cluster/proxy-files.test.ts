// What kube-proxy takes, Portico takes, what it refuses, Portico refuses, and both name the same
// fields as unknown or given twice: each file of proxy-files.ts is shown to a real kube-proxy,
// which reads it and writes what it understood.

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { configurationFromFile } from "../../controller/config/config-file.ts";
import { buildControlPlane } from "./build.ts";
import { FILES, REFUSED_BY_RELEASE } from "./proxy-files.ts";

let kubeProxy: string;
const directory = mkdtempSync(join(tmpdir(), "portico-proxy-files-"));

beforeAll(async () => {
  kubeProxy = (await buildControlPlane((line) => console.error(line)))["kube-proxy"];
}, 900_000); // the first run builds Kubernetes

afterAll(() => rmSync(directory, { recursive: true }));

interface Verdict {
  verdict: "accepted" | "refused";
  /** Of fields, as they are named; sorted. */
  unknown: string[];
  twice: string[];
}

function verdictOfKubeProxy(text: string): Verdict & { said: string; written: string } {
  const [from, to] = [join(directory, "from.yaml"), join(directory, "to.yaml")];
  writeFileSync(from, text);
  rmSync(to, { force: true });
  const parameters = [`--config=${from}`, `--write-config-to=${to}`];
  const { status, stderr: said } = spawnSync(kubeProxy, parameters, { encoding: "utf8" });
  if (status !== 0) return { verdict: "refused", unknown: [], twice: [], said, written: "" };
  const plain = said.replaceAll("\\", "");
  const unknown = [...plain.matchAll(/unknown field "([^"]+)"/g)].map(([, name]) => name ?? "");
  const twice = [
    ...plain.matchAll(/key "([^"]+)" already set in map/g),
    ...plain.matchAll(/duplicate field "([^"]+)"/g),
  ].map(([, name]) => name ?? "");
  const written = readFileSync(to, "utf8");
  return { verdict: "accepted", unknown: unknown.sort(), twice: twice.sort(), said, written };
}

function ownVerdict(text: string): Verdict & { said: string } {
  try {
    const { warning = "" } = configurationFromFile("proxy.yaml", text);
    const named = (what: string) => {
      const [, list = ""] = new RegExp(`${what}: ([^;]*)`).exec(warning) ?? [];
      return list === "" ? [] : list.split(", ").sort();
    };
    const unknown = named("unknown to kube-proxy 1.37, ignored");
    const twice = named("given twice, the last one counts");
    return { verdict: "accepted", unknown, twice, said: warning };
  } catch (error) {
    return { verdict: "refused", unknown: [], twice: [], said: (error as Error).message };
  }
}

it.each(Object.entries(FILES))("a file like %s", (_, text) => {
  const { said, written, ...theirs } = verdictOfKubeProxy(text);
  const { said: ownWords, ...own } = ownVerdict(text);
  expect(own, `kube-proxy: ${said}\nPortico: ${ownWords}`).toEqual(theirs);
  if (theirs.verdict === "refused") return;
  // What it understood means the same; its defaults are written out, and then count as set.
  const read = configurationFromFile("proxy.yaml", text).configuration;
  const reread = configurationFromFile("written.yaml", written).configuration;
  expect({ ...read, markBit: read.markBit ?? 14 }).toMatchObject({
    ...reread,
    minSyncPeriodMs: read.minSyncPeriodMs,
  });
});

it.each(Object.entries(REFUSED_BY_RELEASE))("is more lenient with %s", (_, text) => {
  expect(verdictOfKubeProxy(text).verdict).toBe("refused");
  const own = ownVerdict(text);
  expect(own.verdict).toBe("accepted");
  expect(own.said).toContain("no effect in Portico");
});

it("has at least 40 shapes of real files, and both verdicts among them", () => {
  const verdicts = Object.values(FILES).map((text) => ownVerdict(text).verdict);
  expect(verdicts.length).toBeGreaterThanOrEqual(40);
  expect(new Set(verdicts)).toEqual(new Set(["accepted", "refused"]));
});
