// Every relative link of the repository's Markdown files leads to a file that is there, and to a
// heading of it where it names one. Links to other sites are not followed.

import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { expect, it } from "vitest";
import { notEmpty } from "./not-empty.ts";

const ROOT = join(import.meta.dirname, "..");
const ELSEWHERE = /^[a-z]+:/;

const pages = execFileSync("git", ["ls-files", "-co", "--exclude-standard", "*.md"], {
  cwd: ROOT,
  encoding: "utf8",
})
  .split("\n")
  .filter((path) => path !== "" && existsSync(join(ROOT, path)));

/** Without code, in which brackets are no links and # begins no heading. */
function proseOf(path: string): string {
  const text = readFileSync(join(ROOT, path), "utf8");
  return text.replace(/^```.*?^```/gms, "").replace(/^ {4}.*$/gm, "");
}

function linksOf(path: string): string[] {
  const found = proseOf(path).matchAll(/\]\(([^)\s]+)\)/g);
  return [...found].map(([, target = ""]) => target).filter((target) => !ELSEWHERE.test(target));
}

/** As GitHub makes them of a page's headings. */
function anchorsOf(path: string): string[] {
  return [...proseOf(path).matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-"),
  );
}

/** What is wrong with it; empty when nothing is. */
function faultOf(page: string, target: string): string {
  const [file = "", anchor] = target.split("#");
  const path = file === "" ? page : normalize(join(dirname(page), file));
  if (!existsSync(join(ROOT, path))) return `${page}: ${target} is not there`;
  if (anchor === undefined || anchorsOf(path).includes(anchor)) return "";
  return `${page}: ${path} has no heading #${anchor}`;
}

it("links to every finding from the list of findings", () => {
  const scripts = readdirSync(join(ROOT, "findings")).filter((name) => name.endsWith(".sh"));
  expect(linksOf("findings/README.md").sort()).toEqual(notEmpty(scripts.sort(), "findings"));
});

it("has links in its pages", () => {
  expect(pages.flatMap(linksOf).length).toBeGreaterThan(50);
});

it("links to files and headings that are there", () => {
  const faults = pages.flatMap((page) => linksOf(page).map((target) => faultOf(page, target)));
  expect(faults.filter((fault) => fault !== "")).toEqual([]);
});
