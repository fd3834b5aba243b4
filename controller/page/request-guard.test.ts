import { expect, it } from "vitest";
import { refusalOf } from "./request-guard.ts";

const statusOf = (method: string, headers: Record<string, string>) =>
  refusalOf({ method, headers })?.status;

it.each(["localhost", "localhost:9", "LOCALHOST:1", "127.0.0.1:8081", "127.1.2.3", "[::1]:8081"])(
  "answers a reader who calls it %s",
  (host) => {
    expect(statusOf("GET", { host })).toBeUndefined();
    expect(statusOf("HEAD", { host })).toBeUndefined();
  },
);

it.each([
  "",
  "portico.example",
  "portico.example:8081",
  "127.0.0.1.example",
  "localhost.example",
  "192.0.2.1:8081",
  "127.0.0.1@example",
])("refuses a reader who calls it %j", (host) => {
  expect(statusOf("GET", { host })).toBe(403);
});

it("refuses whoever sends no Host", () => {
  expect(statusOf("GET", {})).toBe(403);
});

it.each(["POST", "PUT", "DELETE", "OPTIONS", "TRACE"])("refuses %s", (method) => {
  const refused = refusalOf({ method, headers: { host: "localhost" } });
  expect(refused).toMatchObject({ status: 405, headers: { allow: "GET, HEAD" } });
});

it("lets another site link to it, and not read it", () => {
  const host = "localhost:8081";
  const from = (mode: string) =>
    statusOf("GET", { host, "sec-fetch-site": "cross-site", "sec-fetch-mode": mode });
  expect(from("navigate")).toBeUndefined();
  expect(from("no-cors")).toBe(403);
  expect(from("cors")).toBe(403);
});
