// A real control plane, and a node that goes from kube-proxy to Portico and back by the steps of
// deploy/MIGRATION.md. Each line of a step is run on the node as it stands there, but for these:
//
//    systemctl start | stop     the fixture starts and ends the unit's program
//    portico …                  with a run directory of its own
//    /var/lib/kube-proxy/…      the configuration that the fixture has written
//
//    node-1   client, web-1, web-2      kube-proxy, Portico
//    node-2   web-3                     none
//    control  the control plane         none

import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { callController } from "../../controller/cli/control-client.ts";
import type { ControllerStatus } from "../../controller/control/control-api.ts";
import { findEnvoy } from "../../envoy/find.ts";
import { buildControlPlane } from "../cluster/build.ts";
import { ControlPlane } from "../cluster/control-plane.ts";
import { Objects } from "../cluster/objects.ts";
import { RunningProgram } from "../cluster/program.ts";
import { eventually } from "../eventually.ts";
import { SERVICE_CIDRS } from "../namespaces/addresses.ts";
import { type Cluster, type ClusterNode, makeCluster } from "../namespaces/cluster.ts";
import type { Namespace } from "../namespaces/namespace.ts";
import type { PodNetwork } from "../namespaces/pod-network.ts";
import { documentedSteps } from "./document.ts";

const CHECKOUT = join(import.meta.dirname, "../..");
const DOCUMENTED_CONFIG = "/var/lib/kube-proxy/config.conf";
const PORTS = { tcp: 8080, udp: 8080 };
const STEP_MS = 120_000;
export const WEB = { app: "web" };

export type Mode = "nftables" | "iptables";

export class MigratingNode {
  readonly node: ClusterNode;
  readonly outside: Namespace;
  readonly objects: Objects;
  readonly plane: ControlPlane;
  readonly #cluster: Cluster;
  /** In /run, because a socket's path has 107 bytes at most. */
  readonly #directory = mkdtempSync("/run/portico-migration-");
  readonly #steps = documentedSteps();
  readonly #units = new Map<string, RunningProgram>();
  #environment: Record<string, string> = {};

  private constructor(cluster: Cluster, plane: ControlPlane) {
    this.#cluster = cluster;
    this.plane = plane;
    this.node = cluster.node("node-1");
    this.outside = cluster.outside;
    this.objects = new Objects(plane.kubeConfig());
  }

  /** Without a Pod network, the lab's own. */
  static async make(mode: Mode, podNetwork?: PodNetwork): Promise<MigratingNode> {
    const cluster = await makeCluster({
      dualStack: true,
      ...(podNetwork && { podNetwork }),
      nodes: [
        { name: "node-1", pods: { client: "auto", "web-1": "auto", "web-2": "auto" } },
        { name: "node-2", pods: { "web-3": "auto" } },
        { name: "control" },
      ],
    });
    const control = cluster.node("control");
    const prefix = ["nsenter", `--net=/run/netns/${control.name}`, "--"];
    const serviceClusterIPRange = SERVICE_CIDRS.join(",");
    const where = { prefix, address: control.address };
    const plane = await ControlPlane.start({ ...where, serviceClusterIPRange });
    const made = new MigratingNode(cluster, plane);
    await made.#populate();
    await made.#install(mode);
    return made;
  }

  async #populate(): Promise<void> {
    for (const label of ["node-1", "node-2"]) {
      const node = this.#cluster.node(label);
      await this.objects.createNode({ name: label, addresses: [...node.addresses] });
      for (const [name, pod] of node.pods) {
        if (name === "client") continue;
        await pod.serve(PORTS);
        const facts = { name, nodeName: label, ip: pod.address, labels: WEB };
        await this.objects.createPod(facts);
      }
    }
  }

  /** IPv6 addresses of the Pods that serve. */
  get serversInIPv6(): string[] {
    const pods = [...this.#cluster.nodes.values()].flatMap((node) => [...node.pods.values()]);
    const servers = pods.filter(({ label }) => label !== "client");
    return servers.flatMap(({ addresses }) => addresses.slice(1));
  }

  async #install(mode: Mode): Promise<void> {
    const programs = await buildControlPlane((line) => console.error(line));
    const bin = join(this.#directory, "bin");
    mkdirSync(bin);
    const portico = `${process.execPath} ${CHECKOUT}/build/portico "$@"`;
    const inRunDirectory = `exec ${portico} --run-dir ${this.#file("run")}`;
    this.#script(
      join(bin, "portico"),
      `case $1 in check) exec ${portico} ;; *) ${inRunDirectory} ;; esac`,
    );
    this.#script(join(bin, "kube-proxy"), `exec ${programs["kube-proxy"]} "$@"`);
    const ENVOY = await findEnvoy(process.env, console.log);
    this.#environment = { ENVOY, PATH: `${bin}:${process.env.PATH}` };
    writeFileSync(this.#file("config.conf"), JSON.stringify(this.#configuration(mode)));
  }

  #script(file: string, command: string): void {
    writeFileSync(file, `#!/bin/sh\n${command}\n`);
    chmodSync(file, 0o755);
  }

  #configuration(mode: Mode): object {
    return {
      apiVersion: "kubeproxy.config.k8s.io/v1alpha1",
      kind: "KubeProxyConfiguration",
      mode,
      hostnameOverride: "node-1",
      clientConnection: {
        kubeconfig: this.plane.kubeconfigFile("proxy", this.plane.innerServer),
      },
      detectLocalMode: "ClusterCIDR",
      clusterCIDR: "10.1.0.0/16,fd00:1::/32",
      nodePortAddresses: ["primary"],
      // Nothing to write into /proc/sys, which a container may not.
      conntrack: {
        maxPerCore: 0,
        min: 0,
        tcpEstablishedTimeout: "0s",
        tcpCloseWaitTimeout: "0s",
        udpTimeout: "0s",
        udpStreamTimeout: "0s",
      },
    };
  }

  #file(name: string): string {
    return join(this.#directory, name);
  }

  get controlSocket(): string {
    return this.#file("run/control.sock");
  }

  /** The step's text as the document has it. */
  text(step: string): string {
    const text = this.#steps.get(step);
    if (text === undefined) throw new Error(`deploy/MIGRATION.md has no step ${step}`);
    return text;
  }

  /** Runs the lines of a step; what they printed. Throws when one of them fails. */
  async run(step: string): Promise<string> {
    let printed = "";
    for (const line of this.text(step).replaceAll("\\\n", " ").split("\n")) {
      const [, verb, unit = ""] = /^systemctl (start|stop) (\S+)$/.exec(line) ?? [];
      if (verb === "start") await this.startUnit(unit);
      else if (verb === "stop") await this.stopUnit(unit);
      else printed += await this.#execute(line);
    }
    return printed;
  }

  async #execute(line: string): Promise<string> {
    const here = line.replaceAll(DOCUMENTED_CONFIG, this.#file("config.conf"));
    const { stdout } = await this.node.exec("sh", ["-c", here], {
      env: this.#environment,
      timeoutMs: STEP_MS,
    });
    return stdout;
  }

  /** As `systemctl stop`. */
  async stopUnit(unit: string): Promise<void> {
    await this.#units.get(unit)?.end("SIGTERM");
  }

  async startUnit(unit: string): Promise<void> {
    const line =
      unit === "portico"
        ? (/^ExecStart=(.*)$/m.exec(this.text("unit"))?.[1] ?? "")
        : `kube-proxy --config ${DOCUMENTED_CONFIG}`;
    const here = line.replaceAll(DOCUMENTED_CONFIG, this.#file("config.conf"));
    const enter = ["nsenter", `--net=/run/netns/${this.node.name}`, "--"];
    const variables = Object.entries(this.#environment).map((pair) => pair.join("="));
    const command = [...enter, "env", ...variables, "sh", "-c", `exec ${here}`];
    this.#units.set(unit, new RunningProgram(unit, command, this.#file(`${unit}.log`)));
  }

  /** Resolves when the controller has an Envoy and its last sync went well. */
  async porticoServes(deadlineMs: number): Promise<void> {
    await eventually("Portico in sync", deadlineMs, async () => {
      this.assertRunning("portico");
      const asked = callController<ControllerStatus>(this.controlSocket, "GET", "/v1/status");
      const status = await asked.catch(() => undefined);
      return status?.envoyConnected === true && status.lastSync?.error === "";
    });
  }

  /** Throws when it should run and does not. */
  assertRunning(unit: string): void {
    this.#units.get(unit)?.assertRunning();
  }

  log(unit: string): string {
    return readFileSync(this.#file(`${unit}.log`), "utf8").slice(-4_000);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#units.values()].map((unit) => unit.end()));
    await this.#execute("portico cleanup").catch(() => {});
    await this.plane.stop();
    await this.#cluster.close();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}
