import { expect, it } from "vitest";
import { exitCodeOf, reportText } from "./report.ts";
import type { Finding, Level } from "./types.ts";

function finding(level: Level, service: string, text: string): Finding {
  return { level, code: "pods", service, text, command: "kubectl get" };
}

const FINDINGS = [
  finding("ok", "shop/web", "one"),
  finding("error", "shop/web", "two"),
  finding("warning", "shop/web", "three"),
  finding("warning", "shop/api", "four"),
  finding("note", "shop/db", "five"),
];

it("sums up, and shows what is wrong, worst first", () => {
  expect(reportText(FINDINGS, { services: 5, all: false })).toBe(`\
5 Services: 1 with errors, 1 with warnings only, 3 with neither
error    shop/web: two   # kubectl get
warning  shop/web: three   # kubectl get
warning  shop/api: four   # kubectl get
`);
});

it("shows everything of one Service, without a summary", () => {
  expect(reportText([FINDINGS[4] as Finding], { services: undefined, all: true })).toBe(
    "note     shop/db: five   # kubectl get\n",
  );
});

it("counts what is no Service's apart", () => {
  const cluster = finding("warning", "", "EndpointSlice shop/web-1 has no label");
  expect(reportText([cluster], { services: 1, all: false })).toBe(`\
1 Service: 0 with errors, 0 with warnings only, 1 with neither; plus findings of no Service
warning  EndpointSlice shop/web-1 has no label   # kubectl get
`);
});

it("ends with 1 when there is an error, and only then", () => {
  expect(exitCodeOf(FINDINGS)).toBe(1);
  expect(exitCodeOf(FINDINGS.filter(({ level }) => level !== "error"))).toBe(0);
  expect(exitCodeOf([])).toBe(0);
});
