// The folder as users and programs change it, on a real file system.

import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { ClusterState } from "../model/cluster-state.ts";
import type { Problem } from "../model/types.ts";
import { systemClock } from "../system/clock.ts";
import { ManifestsSource } from "./manifests.ts";

let directory: string;
let state: ClusterState;
let problems: readonly Problem[];
let notes: string[];
let source: ManifestsSource | undefined;

beforeEach(() => {
  directory = join(mkdtempSync(join(tmpdir(), "portico-manifests-")), "shop");
  mkdirSync(directory);
  state = new ClusterState();
  problems = [];
  notes = [];
});

afterEach(async () => {
  await source?.stop();
  rmSync(join(directory, ".."), { recursive: true });
});

/** By default the rescan is so slow that only the watch can have seen a change. */
async function start(rescanMs = 600_000): Promise<void> {
  source = new ManifestsSource({
    directory,
    sink: state,
    reportProblems: (present) => {
      problems = present;
    },
    note: (text) => notes.push(text),
    clock: systemClock,
    debounceMs: 5,
    rescanMs,
  });
  await source.start();
}

function service(name: string, port = 80): string {
  return `apiVersion: v1
kind: Service
metadata: {name: ${name}}
spec:
  clusterIP: 10.96.0.1
  ports: [{port: ${port}}]
`;
}

function write(name: string, text: string): void {
  writeFileSync(join(directory, name), text);
}

function services(): string[] {
  return [...state.services.values()].map(({ name, ports }) => `${name}:${ports[0]?.port}`).sort();
}

const eventually = (check: () => void) => vi.waitFor(check, { timeout: 4_000, interval: 5 });

test("reads the folder once, and marks every kind synced", async () => {
  write("b.yaml", service("web"));
  write("a.yml", service("api").replace("0.1", "0.2"));
  write("c.json", '{"apiVersion":"v1","kind":"Node","metadata":{"name":"node-1"}}');
  write("notes.txt", "kind: [");
  write(".hidden.yaml", "kind: [");
  write("d.yaml", "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}}");
  await start();
  expect(services()).toEqual(["api:80", "web:80"]);
  expect([...state.nodes.keys()]).toEqual(["node-1"]);
  expect(state.isSynced()).toBe(true);
  expect(problems).toEqual([]);
  expect(notes).toEqual([`ignored in ${directory}: objects of kind Deployment`]);
});

describe("a change is seen", () => {
  beforeEach(async () => {
    write("web.yaml", service("web"));
    await start();
    expect(services()).toEqual(["web:80"]);
  });

  test("of a file that is written in place", async () => {
    write("web.yaml", service("web", 81));
    await eventually(() => expect(services()).toEqual(["web:81"]));
  });

  test("of a file that an editor replaces by renaming, many times", async () => {
    for (const port of [81, 82, 83]) {
      write(".web.yaml.swp", service("web", port));
      renameSync(join(directory, ".web.yaml.swp"), join(directory, "web.yaml"));
      await eventually(() => expect(services()).toEqual([`web:${port}`]));
    }
  });

  test("of files that appear and disappear", async () => {
    write("api.yaml", service("api"));
    await eventually(() => expect(services()).toEqual(["api:80", "web:80"]));
    unlinkSync(join(directory, "web.yaml"));
    await eventually(() => expect(services()).toEqual(["api:80"]));
  });

  test("of a folder that goes and comes back", async () => {
    await source?.stop();
    await start(20);
    rmSync(directory, { recursive: true });
    await eventually(() => expect(problems).toHaveLength(1));
    expect(problems[0]).toMatchObject({ object: `Folder ${directory}` });
    expect(problems[0]?.message).toContain("ENOENT");
    expect(services()).toEqual(["web:80"]);
    mkdirSync(directory);
    write("web.yaml", service("web", 81));
    await eventually(() => expect(services()).toEqual(["web:81"]));
    expect(problems).toEqual([]);
    write("web.yaml", service("web", 82));
    await eventually(() => expect(services()).toEqual(["web:82"]));
  });
});

test("a ConfigMap mount swaps its link ..data", async () => {
  const version = (name: string, port: number) => {
    mkdirSync(join(directory, name));
    write(`${name}/web.yaml`, service("web", port));
    symlinkSync(name, join(directory, "..data_tmp"));
    renameSync(join(directory, "..data_tmp"), join(directory, "..data"));
  };
  version("..2024_1", 80);
  symlinkSync(join("..data", "web.yaml"), join(directory, "web.yaml"));
  await start();
  expect(services()).toEqual(["web:80"]);
  version("..2024_2", 81);
  rmSync(join(directory, "..2024_1"), { recursive: true });
  await eventually(() => expect(services()).toEqual(["web:81"]));
  version("..2024_3", 82);
  await eventually(() => expect(services()).toEqual(["web:82"]));
});

describe("a file that is wrong", () => {
  test("keeps what it said when it was last right, and the others go on", async () => {
    write("web.yaml", service("web"));
    write("api.yaml", service("api").replace("0.1", "0.2"));
    await start();
    write("web.yaml", `${service("web", 81)}---\nkind: [\n`);
    await eventually(() => expect(problems).toHaveLength(1));
    expect(problems[0]?.message).toContain("web.yaml:9:");
    expect(problems[0]?.message).toContain("(its previous content stays in use)");
    write("api.yaml", service("api", 82).replace("0.1", "0.2"));
    await eventually(() => expect(services()).toEqual(["api:82", "web:80"]));
    write("web.yaml", service("web", 83));
    await eventually(() => expect(services()).toEqual(["api:82", "web:83"]));
    expect(problems).toEqual([]);
  });

  test("from the beginning gives nothing", async () => {
    write("web.yaml", service("web", 99_999));
    await start();
    expect(services()).toEqual([]);
    expect(state.isSynced()).toBe(true);
    expect(problems).toMatchObject([{ object: "Service default/web" }]);
    expect(problems[0]?.message).toMatch(/^web\.yaml:1: .*99999.*\(this file is ignored\)$/);
  });

  test("or cannot be read, keeps it too", async () => {
    write("web.yaml", service("web"));
    await start();
    unlinkSync(join(directory, "web.yaml"));
    symlinkSync("nowhere", join(directory, "web.yaml"));
    await eventually(() => expect(problems).toMatchObject([{ object: "File web.yaml" }]));
    expect(services()).toEqual(["web:80"]);
    unlinkSync(join(directory, "web.yaml"));
    await eventually(() => expect(services()).toEqual([]));
    expect(problems).toEqual([]);
  });
});

test("an annotation that is wrong holds nothing back, and is reported", async () => {
  const annotated = (port: number, balancing: string) =>
    service("web", port).replace(
      "name: web",
      `name: web, annotations: {portico.dev/balancing: ${balancing}}`,
    );
  write("web.yaml", annotated(80, "nonsense"));
  await start();
  expect(services()).toEqual(["web:80"]);
  expect(problems).toMatchObject([{ object: "Service default/web", reason: "SettingRefused" }]);
  expect(problems[0]?.message).toMatch(/^web\.yaml:1: .*nonsense.*the node's default applies$/);
  write("web.yaml", annotated(81, "nonsense"));
  await eventually(() => expect(services()).toEqual(["web:81"]));
  write("web.yaml", annotated(82, "round-robin"));
  await eventually(() => expect(problems).toEqual([]));
  expect(services()).toEqual(["web:82"]);
});

test("a part that is left out holds nothing back, and is reported until it is mended", async () => {
  const slice = (port: string) => `---
{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4, ports: [{${port}}],
 metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}}
`;
  write("web.yaml", service("web") + slice("name: a"));
  await start();
  expect(services()).toEqual(["web:80"]);
  expect(problems).toMatchObject([{ object: "EndpointSlice default/web-1", isHarmless: true }]);
  expect(problems[0]?.message).toMatch(/^web\.yaml:8: ports\[0\].* from 1 to 65535$/);
  write("web.yaml", service("web", 81) + slice("name: a, port: 1"));
  await eventually(() => expect(services()).toEqual(["web:81"]));
  expect(problems).toEqual([]);
});

test("a folder that is not there yet: a problem, nothing synced, and tried again", async () => {
  rmSync(directory, { recursive: true });
  await start(10);
  expect(state.isSynced()).toBe(false);
  expect(problems[0]?.message).toContain("ENOENT");
  mkdirSync(directory);
  write("web.yaml", service("web"));
  await eventually(() => expect(services()).toEqual(["web:80"]));
  expect(problems).toEqual([]);
});

test("changes that nobody tells of are seen by the rescan", async () => {
  const elsewhere = join(directory, "..", "target.yaml");
  writeFileSync(elsewhere, service("web"));
  symlinkSync(elsewhere, join(directory, "web.yaml"));
  await start(10);
  writeFileSync(elsewhere, service("web", 81));
  await eventually(() => expect(services()).toEqual(["web:81"]));
});

test("after stop nothing reaches the sink", async () => {
  write("web.yaml", service("web"));
  await start();
  await source?.stop();
  write("web.yaml", service("web", 81));
  chmodSync(directory, 0o755);
  await new Promise((resolve) => setImmediate(resolve));
  expect(services()).toEqual(["web:80"]);
});
