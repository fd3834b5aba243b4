// The colours of the page's style sheet: text is readable in both schemes, as WCAG 2.2 measures
// contrast (level AA: 4.5 for text, 3 for marks).

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

const sheet = readFileSync(join(import.meta.dirname, "browser/base.css"), "utf8");
const blocks = [...sheet.matchAll(/:root \{([^}]*)\}/g)].map(([, block = ""]) => coloursOf(block));
const [light = {}, dark = {}] = blocks;

function coloursOf(block: string): Record<string, string> {
  return Object.fromEntries(
    [...block.matchAll(/--([a-z-]+): (#[0-9a-f]{6});/g)].map(([, name, value]) => [name, value]),
  );
}

function luminance(colour: string | undefined): number {
  if (!colour) throw new Error("a colour is missing in base.css");
  const parts = [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16) / 255);
  const [red = 0, green = 0, blue = 0] = parts.map((part) =>
    part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4,
  );
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function contrast(one: string | undefined, other: string | undefined): number {
  const [darker = 0, lighter = 0] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (lighter + 0.05) / (darker + 0.05);
}

describe.each([
  ["light", light],
  ["dark", dark],
])("the %s scheme", (_name, colours) => {
  it.each([
    ["text", "surface"],
    ["text", "sunken"],
    ["text", "accent-soft"],
    ["quiet", "surface"],
    ["quiet", "sunken"],
    ["quiet", "ground"],
    ["quiet", "accent-soft"],
    ["accent", "surface"],
    ["good", "good-soft"],
    ["warn", "warn-soft"],
    ["bad", "bad-soft"],
    ["warn", "sunken"],
    ["bad", "sunken"],
  ])("has %s that can be read on %s", (text, ground) => {
    expect(contrast(colours[text], colours[ground])).toBeGreaterThanOrEqual(4.5);
  });

  it.each(["good", "warn", "bad"])("has a mark for %s that can be seen", (mark) => {
    expect(contrast(colours[mark], colours.surface)).toBeGreaterThanOrEqual(3);
    expect(contrast(colours[mark], colours["accent-soft"])).toBeGreaterThanOrEqual(3);
  });
});
