import { expect, test } from "vitest";
import { bootstrap } from "./bootstrap.ts";

test("the bootstrap of a node", async () => {
  const object = bootstrap({ runDirectory: "/run/portico", nodeId: "node-a" });
  const text = `${JSON.stringify(object, undefined, 2)}\n`;
  await expect(text).toMatchFileSnapshot("golden/bootstrap.json");
});

test("no address of it is a TCP one", () => {
  const object = bootstrap({ runDirectory: "/run/portico", nodeId: "node-a" });
  expect(JSON.stringify(object)).not.toContain("socket_address");
});
