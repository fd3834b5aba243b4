import { expect, test } from "vitest";
import { bootstrap } from "./bootstrap.ts";

const options = {
  runDirectory: "/run/portico",
  nodeId: "node-a",
  maxConnections: 9000,
  socketMode: 0o600,
};

test("the bootstrap of a node", async () => {
  const text = `${JSON.stringify(bootstrap(options), undefined, 2)}\n`;
  await expect(text).toMatchFileSnapshot("golden/bootstrap.json");
});

test("threads that stand still are waited for, unless somebody says otherwise", () => {
  expect(bootstrap({ ...options, hungAfterMs: 0 })).not.toHaveProperty("watchdogs");
  expect(bootstrap({ ...options, hungAfterMs: 2_500 })).toHaveProperty("watchdogs", {
    main_thread_watchdog: { kill_timeout: "2.5s" },
    worker_watchdog: { kill_timeout: "2.5s" },
  });
});

test("no address of it is a TCP one", () => {
  expect(JSON.stringify(bootstrap(options))).not.toContain("socket_address");
});
