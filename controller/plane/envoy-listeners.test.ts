import { expect, it } from "vitest";
import { XdsServer } from "../xds/server.ts";
import { DEFAULT_TCP_OPTIONS } from "../xds/tcp-options.ts";
import { EnvoyListeners } from "./envoy-listeners.ts";

const LOG = { info: () => {}, warn: () => {} };

it("takes no silence for an acknowledgement: without an Envoy nothing is programmed", () => {
  const xds = new XdsServer({ socketPath: "/nowhere/xds.sock", log: LOG });
  const ports = { keep: 15401, host: 15402, local: 15403, masquerade: 15404 };
  const listeners = new EnvoyListeners({
    xds,
    directory: "/nowhere",
    ports,
    serve: async () => {},
    tcp: DEFAULT_TCP_OPTIONS,
    mark: 0x1000,
  });
  expect(() => listeners.now()).toThrow("no Envoy has connected to ask for its listeners yet");
});
