import { expect, it } from "vitest";
import { TEXT } from "./answer.ts";
import { answerFromRoutes } from "./routes.ts";

const routes = {
  "/hello": (query: URLSearchParams) => {
    return { status: 200, type: TEXT, body: `hello ${query.get("name")}` };
  },
  "/throws": () => {
    throw new Error("broken");
  },
  "/rejects": () => Promise.reject(new Error("broken")),
};

it.each([
  ["/hello?name=you", 200, "hello you"],
  ["/hello", 200, "hello null"],
  ["/hello/", 404, "404 page not found\n"],
  ["/toString", 404, "404 page not found\n"],
  ["*", 404, "404 page not found\n"],
  ["", 404, "404 page not found\n"],
  [undefined, 404, "404 page not found\n"],
  ["/throws", 500, "broken\n"],
  ["/rejects", 500, "broken\n"],
])("answers %s with %i %j", async (url, status, body) => {
  expect(await answerFromRoutes(routes, url)).toEqual({ status, type: TEXT, body });
});
