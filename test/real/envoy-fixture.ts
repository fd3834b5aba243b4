// A real Envoy in the network namespace of a node, supervised and configured as by the controller,
// with a plugin that sends every connection to one echo server of that node.

import { mkdtemp, readFile, rm } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, vi } from "vitest";
import type { TableVersion } from "../../controller/xds/plugin-delivery.ts";
import {
  backendsClusters,
  captureListeners,
  connectionFilters,
  type PluginCode,
  tableFilter,
} from "../../controller/xds/resources.ts";
import { XdsServer, type XdsServerOptions } from "../../controller/xds/server.ts";
import { DEFAULT_TCP_OPTIONS, type TcpOptions } from "../../controller/xds/tcp-options.ts";
import { CLUSTER_TYPE, FILTER_TYPE, LISTENER_TYPE } from "../../controller/xds/type-urls.ts";
import { findEnvoy } from "../../envoy/find.ts";
import type { EnvoyOptions } from "../../envoy/process.ts";
import { EnvoySupervisor } from "../../envoy/supervise.ts";
import type { ClusterNode } from "../namespaces/cluster.ts";

export const PORTS = { keep: 15401, host: 15402, local: 15403, masquerade: 15404 };
/** Where an Envoy that has everything listens, as `listening` shows it. */
export const CAPTURE = ["0.0.0.0", "[::]"].flatMap((address) =>
  Object.values(PORTS).map((port) => `${address}:${port}`),
);
export const ECHO_PORT = 9090;
export const ECHO = `127.0.0.1:${ECHO_PORT}`;

interface LoggedLine {
  level: "info" | "warn" | "error";
  fields: Record<string, unknown>;
  message: string;
}

class LogRecord {
  readonly lines: LoggedLine[] = [];
  readonly info = this.#recorder("info");
  readonly warn = this.#recorder("warn");
  readonly error = this.#recorder("error");

  #recorder(level: LoggedLine["level"]) {
    return (fields: object, message: string) => {
      this.lines.push({ level, fields: fields as Record<string, unknown>, message });
    };
  }
}

export class EnvoyFixture {
  readonly node: ClusterNode;
  readonly runDirectory: string;
  readonly log = new LogRecord();
  supervisor: EnvoySupervisor;
  /** Of supervisors that are made from now on. */
  hungAfterMs = 0;
  /** Words before the command of Envoys that are started from now on. */
  launcher: readonly string[];
  readonly #binary: string;

  private constructor(node: ClusterNode, runDirectory: string, binary: string) {
    this.node = node;
    this.runDirectory = runDirectory;
    this.#binary = binary;
    this.launcher = ["nsenter", `--net=/run/netns/${node.name}`, "--"];
    this.supervisor = this.makeSupervisor();
  }

  static async make(node: ClusterNode): Promise<EnvoyFixture> {
    const binary = await findEnvoy(process.env, (line) => process.stderr.write(`${line}\n`));
    return new EnvoyFixture(node, await mkdtemp(join(tmpdir(), "portico-run-")), binary);
  }

  /** What a controller that starts has: another one of it takes over the living Envoy. */
  makeSupervisor(): EnvoySupervisor {
    return new EnvoySupervisor({ ...this.options, log: this.log, hungAfterMs: this.hungAfterMs });
  }

  get options(): EnvoyOptions {
    return {
      runDirectory: this.runDirectory,
      nodeId: "node-a",
      binary: this.#binary,
      concurrency: 2,
      launcher: this.launcher,
    };
  }

  /** Envoys that are started from now on ask for the state of the world, as they once did. */
  askAsBefore(): void {
    const edit = `sed -i s/DELTA_GRPC/GRPC/ ${this.path("envoy.json")}; exec "$@"`;
    this.launcher = ["sh", "-c", edit, "sh", ...this.launcher];
    this.supervisor = this.makeSupervisor();
  }

  path(name: string): string {
    return join(this.runDirectory, name);
  }

  async makeXds(
    callbacks: Pick<XdsServerOptions, "onConnect" | "onDisconnect"> = {},
  ): Promise<XdsServer> {
    const xds = this.#newXds(callbacks);
    await xds.start();
    return xds;
  }

  /** An xDS server that admits every Envoy at once, with everything set. */
  async serveAll(code: PluginCode): Promise<XdsServer> {
    // An Envoy that waits for us connects before `start` resolves.
    const xds: XdsServer = this.#newXds({
      onConnect: ({ id }) => void xds.admitListeners(id).catch(() => {}),
    });
    await xds.start();
    await setAll(xds, code);
    return xds;
  }

  #newXds(callbacks: Pick<XdsServerOptions, "onConnect" | "onDisconnect">): XdsServer {
    return new XdsServer({ socketPath: this.path("xds.sock"), log: this.log, ...callbacks });
  }

  /** GET on a Unix socket of the run directory. */
  get(socket: string, path: string): Promise<{ status: number; body: string }> {
    return new Promise((resolve, reject) => {
      const options = { socketPath: this.path(socket), path, timeout: 1_000 };
      const asked = request(options, (response) => {
        let body = "";
        response.setEncoding("utf8").on("data", (text: string) => {
          body += text;
        });
        response.on("end", () => resolve({ status: response.statusCode ?? 0, body }));
        response.on("error", reject);
      });
      asked.on("timeout", () => asked.destroy(new Error("no answer within a second")));
      asked.on("error", reject);
      asked.end();
    });
  }

  async version(): Promise<TableVersion> {
    const { status, body } = await this.get("table.sock", "/v1/version");
    if (status !== 200) throw new Error(`HTTP ${status}: ${body}`);
    return JSON.parse(body) as TableVersion;
  }

  /** "address:port" of every TCP socket of the node that listens, without the echo server's. */
  async listening(): Promise<string[]> {
    const { stdout } = await this.node.exec("ss", ["-Hltn"]);
    const addresses = stdout.split("\n").flatMap((line) => line.split(/\s+/)[3] ?? []);
    return [...new Set(addresses)].filter((text) => !text.endsWith(`:${ECHO_PORT}`)).sort();
  }

  /** Waits until a new connection to the capture port is answered by the echo server. */
  async untilServing(): Promise<void> {
    const dialer = await this.node.dialer();
    await vi.waitFor(async () => {
      const result = await dialer.dialOnce("127.0.0.1", PORTS.keep, { timeoutMs: 500 });
      expect(result.outcome).toBe("answered");
    }, WITHIN);
  }

  async pidFile(): Promise<number> {
    return Number(await readFile(this.path("envoy.pid"), "utf8"));
  }

  async close(): Promise<void> {
    await this.supervisor.stop();
    await rm(this.runDirectory, { recursive: true });
  }
}

/** For vi.waitFor. */
export const WITHIN = { timeout: 10_000, interval: 20 };

/** `setOthers`: clusters and listeners, instead of those for TCP alone. */
export async function setAll(
  xds: XdsServer,
  code: PluginCode,
  setOthers = () => setTcp(xds),
): Promise<void> {
  await xds.set(FILTER_TYPE, [tableFilter(code), ...connectionFilters(code, TCP)]);
  await setOthers();
}

async function setTcp(xds: XdsServer): Promise<void> {
  await xds.set(CLUSTER_TYPE, backendsClusters(BACKENDS));
  await xds.set(LISTENER_TYPE, captureListeners(PORTS, ["IPv4", "IPv6"], TCP));
}

const TCP: TcpOptions = { ...DEFAULT_TCP_OPTIONS, connectTimeoutMs: 1_000 };
export const BACKENDS = { tcp: TCP };
