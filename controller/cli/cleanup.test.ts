import { expect, it } from "vitest";
import { refusedBy } from "./cleanup.ts";

it("names the controller that has to be stopped first", () => {
  expect(refusedBy("pid 7, run directory /run/portico")).toBe(
    "portico run is still running on this node (pid 7, run directory /run/portico); " +
      "stop it, then repeat portico cleanup",
  );
});

it("waits for another cleanup, which is not to be stopped", () => {
  expect(refusedBy("pid 8, portico cleanup")).toBe(
    "another portico cleanup runs on this node (pid 8, portico cleanup); wait until it ends",
  );
});
