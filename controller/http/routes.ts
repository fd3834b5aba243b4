// The path of a request → the answer of its route, 404, or 500.

import { type Answer, TEXT } from "./answer.ts";

/** One path: the query of a request → its answer. Accepts any method, as Go's handlers do. */
export type Route = (query: URLSearchParams) => Answer | Promise<Answer>;

/** By path: "/healthz". */
export type Routes = Readonly<Record<string, Route>>;

/**
 * Answers `url`, which comes from a request and need not be a URL ("*"): 404 without a route, 500
 * with the message of what the route throws. Never rejects.
 */
export async function answerFromRoutes(routes: Routes, url = ""): Promise<Answer> {
  const [path = "", query] = url.split("?", 2);
  const route = Object.hasOwn(routes, path) ? routes[path] : undefined;
  if (!route) return { status: 404, type: TEXT, body: "404 page not found\n" };
  try {
    return await route(new URLSearchParams(query));
  } catch (error) {
    return { status: 500, type: TEXT, body: `${(error as Error).message}\n` };
  }
}
