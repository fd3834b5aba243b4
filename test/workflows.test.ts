// The workflows of .github: what they run and name is there, and they have no more rights than they
// say. Whether their syntax is right, actionlint says (ci.yml).

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { parse } from "yaml";
import { notEmpty } from "./not-empty.ts";

const ROOT = join(import.meta.dirname, "..");
const FOLDER = join(ROOT, ".github/workflows");
const read = (path: string) => readFileSync(join(ROOT, path), "utf8");

interface Step {
  uses?: string;
  run?: string;
  with?: Record<string, string>;
}

interface Job {
  permissions?: object;
  uses?: string;
  steps?: Step[];
}

const workflows = notEmpty(readdirSync(FOLDER), "workflows").map((file) => {
  const text = readFileSync(join(FOLDER, file), "utf8");
  const workflow = parse(text) as { permissions?: object; jobs: Record<string, Job> };
  const jobs = Object.values(workflow.jobs);
  return { file, text, workflow, jobs, steps: jobs.flatMap(({ steps = [] }) => steps) };
});
const steps = workflows.flatMap((each) => each.steps);
const commands = steps.flatMap(({ run }) => run ?? []).join("\n");

function named(pattern: RegExp, what: string): readonly string[] {
  return notEmpty(
    [...commands.matchAll(pattern)].map(([, name = ""]) => name),
    what,
  );
}

it("run scripts that package.json has", () => {
  const { scripts } = JSON.parse(read("package.json"));
  expect(named(/npm run (\S+)/g, "scripts").filter((name) => !(name in scripts))).toEqual([]);
});

it("name files that are there", () => {
  const paths = named(/(?<=^|\s)((?:\.ci|deploy|test|envoy)\/[\w./-]+)/gm, "files");
  const files = steps.flatMap((step) => step.with?.file ?? []);
  expect([...paths, ...files].filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
});

it("build stages that the Dockerfile has, and the Envoy that is its default", () => {
  const dockerfile = read("deploy/Dockerfile");
  const loops = named(/for stage in ([\w -]+);/g, "loops over stages");
  const targets = steps.flatMap((step) => step.with?.target ?? []);
  const stages = notEmpty([...loops.flatMap((list) => list.split(" ")), ...targets], "stages");
  expect(stages.filter((stage) => !dockerfile.includes(` AS ${stage}\n`))).toEqual([]);
  // Of the version and hashes that images.test.ts holds, for every architecture.
  const release = workflows.find(({ file }) => file === "release.yml");
  expect(release?.text).not.toContain("ENVOY=");
  expect(dockerfile).toContain("ARG ENVOY=envoy-from-wheel\n");
});

it("have no right by default, and name those of each job", () => {
  for (const { file, workflow, jobs } of workflows) {
    expect(workflow.permissions, file).toEqual({});
    expect(jobs.filter(({ permissions }) => permissions === undefined)).toEqual([]);
  }
});

it("use actions of a certain version", () => {
  const used = workflows.flatMap(({ jobs }) => jobs.flatMap((job) => [job, ...(job.steps ?? [])]));
  const actions = notEmpty(
    used.flatMap(({ uses }) => uses ?? []),
    "actions",
  );
  const isPinned = (uses: string) => /^\.\/|@(v\d+(\.\d+)*|[0-9a-f]{40})$/.test(uses);
  expect(actions.filter((uses) => !isPinned(uses))).toEqual([]);
});
