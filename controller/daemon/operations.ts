// What others see of a running controller: its health, its metrics, the health of Services, Events.
// It makes those parts and passes on to them what happens; none of them decides anything.

import { systemClock, wallClock } from "../clock.ts";
import { proxyConfigurationOf, type RunOptions, runPaths } from "../config.ts";
import { kubeProxyConfiguration } from "../config-file-write.ts";
import { isNodeEligible, ProxyHealth } from "../health/proxy-health.ts";
import { proxyHealthRoutes } from "../health/proxy-health-routes.ts";
import { readinessAnswer } from "../health/readiness.ts";
import type { HealthCheck } from "../health/service-health.ts";
import { ServiceHealthFollower } from "../health/service-health-follower.ts";
import { ServiceHealthServer } from "../health/service-health-server.ts";
import type { ApiAccess } from "../kubeconfig/access.ts";
import type { ClusterState } from "../model/cluster-state.ts";
import type { EndpointSlice, IPFamily, Kind, KindTypes, Problem, Service } from "../model/types.ts";
import { envoyMetrics } from "../observe/envoy-metrics.ts";
import { eventFromProblem } from "../observe/event-from-problem.ts";
import type { EventMetrics } from "../observe/event-metrics.ts";
import { EventRecorder } from "../observe/events.ts";
import { KubernetesEvents } from "../observe/events-api.ts";
import { type BindAddress, HttpEndpoint, type Route } from "../observe/http-endpoint.ts";
import { type LocalPolicyGap, localPolicyGaps } from "../observe/local-policy-gaps.ts";
import type { Log } from "../observe/log.ts";
import { Metrics } from "../observe/metrics.ts";
import { metricsRoutes } from "../observe/metrics-routes.ts";
import type { Figures } from "../observe/present-metrics.ts";
import type { ServiceCountersSnapshot } from "../observe/service-counters.ts";
import { ServiceEvents } from "../observe/service-events.ts";
import { readServiceMetrics } from "../observe/service-metrics.ts";
import type { SyncObserver } from "./node-sync.ts";
import { PORTICO_VERSION } from "./version.ts";

/** As kube-proxy: two syncs that look for what others changed. */
const HEALTH_TIMEOUT_SYNC_PERIODS = 2;
const FAMILIES: readonly IPFamily[] = ["IPv4", "IPv6"];

export interface OperationsParts {
  options: RunOptions;
  state: ClusterState;
  log: Log;
  /** For writing Events; undefined: they only go to the log. */
  loadAccess: (() => ApiAccess) | undefined;
  /** Where node ports answer, and healthCheckNodePorts with them. */
  nodePortAddresses: () => readonly string[];
  serviceCounters: () => Promise<ServiceCountersSnapshot>;
  /** What others changed in the kernel and is not repaired yet, in words. */
  toRepair: () => readonly string[];
  figures: () => Omit<Figures, "services" | "localPolicyGaps">;
}

export class Operations implements SyncObserver {
  readonly #metrics: Metrics;
  readonly #parts: OperationsParts;
  readonly #health: ProxyHealth;
  readonly #events: EventRecorder;
  readonly #serviceEvents: ServiceEvents;
  readonly #checks: ServiceHealthFollower;
  readonly #checkServer: ServiceHealthServer;
  readonly #endpoints: HttpEndpoint[];
  #hasProgrammed = false;

  constructor(parts: OperationsParts) {
    this.#parts = parts;
    const { options, state, log, loadAccess } = parts;
    this.#metrics = new Metrics({ clock: wallClock, families: FAMILIES, version: PORTICO_VERSION });
    const timeoutMs = HEALTH_TIMEOUT_SYNC_PERIODS * options.syncPeriodMs;
    this.#health = new ProxyHealth({ clock: systemClock, timeoutMs, families: FAMILIES });
    this.#events = new EventRecorder({
      sink:
        loadAccess &&
        new KubernetesEvents(loadAccess, options.nodeName, `portico/${PORTICO_VERSION}`),
      log,
      clock: wallClock,
      counted: (outcome) => this.counted.events.inc({ outcome }),
    });
    this.#serviceEvents = new ServiceEvents({
      state,
      isServed: ({ serviceProxyName: name }) => name === options.serviceProxyName,
      graceMs: options.eventGraceMs,
      clock: systemClock,
      random: Math.random,
      record: (event) => this.#events.record(event),
    });
    this.#checks = new ServiceHealthFollower(state, options);
    this.#checkServer = new ServiceHealthServer({
      clock: systemClock,
      isProxyHealthy: () => this.#health.isHealthy(),
      cannotListen: (check, _where, error) => this.#cannotListen(check, error),
    });
    this.#endpoints = [
      ...this.#endpoint("health", options.healthzBindAddress, this.#healthRoutes()),
      ...this.#endpoint("metrics", options.metricsBindAddress, this.#metricsRoutes()),
    ];
  }

  /** For whoever counts what happens. */
  get counted(): EventMetrics {
    return this.#metrics.counted;
  }

  /** Rejects when an address cannot be bound and that is to be fatal. */
  async start(): Promise<void> {
    this.#health.updated();
    for (const endpoint of this.#endpoints) await endpoint.start();
  }

  async stop(): Promise<void> {
    this.#serviceEvents.stop();
    this.#events.stop();
    this.#checkServer.close();
    for (const endpoint of this.#endpoints) await endpoint.stop();
  }

  objectChanged<K extends Kind>(kind: K, before?: KindTypes[K], after?: KindTypes[K]): void {
    this.#metrics.sync.changed(kind, before, after);
    for (const object of [before, after]) {
      if (object === undefined) continue;
      const { namespace, name, serviceName } = object as EndpointSlice & Service;
      if (kind !== "Service" && kind !== "EndpointSlice") continue;
      const service = `${namespace}/${kind === "Service" ? name : serviceName}`;
      this.#checks.markChanged(service);
      this.#serviceEvents.markChanged(service);
    }
  }

  /** In an Event where an object of the cluster's is wrong, in the log otherwise. */
  problemAppeared(problem: Problem): void {
    const event = eventFromProblem(problem, (kind, key) => this.#uidOf(kind, key));
    if (event && !problem.isHarmless) this.#events.record(event);
    else this.#parts.log.warn({ object: problem.object }, problem.message);
  }

  /** From the file that is followed: nobody on this node asked for it, so people are told. */
  pluginLoaded(note: string): void {
    this.#events.record({
      subject: this.#nodeSubject(),
      type: "Normal",
      reason: "PluginLoaded",
      action: "LoadPlugin",
      note,
    });
  }

  xdsReplied(type: string, refusal: string | undefined): void {
    (refusal === undefined ? this.counted.xdsAcks : this.counted.xdsNacks).inc({ type });
  }

  envoyDied(): void {
    this.counted.envoyRestarts.inc();
  }

  /** What is told to whoever looks at the node: its connections were lost. */
  envoyHung(): void {
    const { options } = this.#parts;
    const seconds = options.envoyHungAfterMs / 1_000;
    this.counted.envoyHangs.inc();
    this.#events.record({
      ...{ subject: this.#nodeSubject(), type: "Warning", reason: "EnvoyHung", action: "Restart" },
      note: `the node's Envoy did not answer for ${seconds} s and is restarted`,
    });
  }

  queued(): void {
    this.#metrics.sync.queued();
    if (this.#parts.state.isSynced()) this.#health.queued();
  }

  began(): void {
    this.#metrics.sync.began();
    this.#serviceEvents.update();
  }

  succeeded(durationSeconds: number, full: boolean): void {
    this.#hasProgrammed = true;
    this.#metrics.sync.succeeded(durationSeconds, full);
    this.#health.updated();
    this.#checkServer.serve(this.#checks.checks(), this.#parts.nodePortAddresses());
  }

  /** What could not be programmed waits, whoever asked for the sync. */
  failed(error: unknown): void {
    this.#metrics.sync.failed(error);
    this.#health.queued();
  }

  /** None where nothing is to listen. */
  #endpoint(
    name: string,
    bind: BindAddress | undefined,
    routes: Record<string, Route>,
  ): HttpEndpoint[] {
    if (!bind) return [];
    const { options, log } = this.#parts;
    const hardFail = options.bindAddressHardFail;
    return [new HttpEndpoint({ name, bind, routes, hardFail, clock: systemClock, log })];
  }

  #healthRoutes(): Record<string, Route> {
    const routes = proxyHealthRoutes({
      health: this.#health,
      isNodeEligible: () => this.#isNodeEligible(),
      answered: (path, status) => this.#metrics.healthAnswered(path, status),
    });
    const readiness = () => {
      const { figures, toRepair } = this.#parts;
      const [hasProgrammed, isHealthy] = [this.#hasProgrammed, this.#health.isHealthy()];
      return readinessAnswer({ ...figures(), hasProgrammed, toRepair: toRepair(), isHealthy });
    };
    return { ...routes, "/readyz": readiness };
  }

  /** kube-proxy does not answer before it knows its Node. */
  #isNodeEligible(): boolean {
    const { state, options } = this.#parts;
    return !state.isSynced("Node") || isNodeEligible(state.nodes.get(options.nodeName));
  }

  #metricsRoutes(): Record<string, Route> {
    const { options } = this.#parts;
    return metricsRoutes({
      metrics: async () => ({
        type: this.#metrics.contentType,
        body: (await this.#metrics.text(this.#figures())) + (await this.#serviceMetrics()),
      }),
      envoyMetrics: () => envoyMetrics(runPaths(options.runDir).adminSocket),
      configz: () => ({
        "kubeproxy.config.k8s.io": kubeProxyConfiguration(proxyConfigurationOf(options)),
        portico: options,
      }),
      profiling: options.profiling,
      facts: {
        version: PORTICO_VERSION,
        startedAt: performance.timeOrigin,
        now: () => wallClock.now(),
        settings: { ...options, configFile: options.configFile?.path },
      },
    });
  }

  #serviceMetrics(): Promise<string> | string {
    const { options, serviceCounters } = this.#parts;
    return options.serviceMetrics === "off" ? "" : readServiceMetrics(serviceCounters);
  }

  #figures(): Figures {
    const { state, figures } = this.#parts;
    const services = state.services.size;
    return { ...figures(), services, localPolicyGaps: this.#localPolicyGaps() };
  }

  #localPolicyGaps(): LocalPolicyGap[] {
    const { state, options } = this.#parts;
    const served = [...state.services].filter(([, { serviceProxyName }]) => {
      return serviceProxyName === options.serviceProxyName;
    });
    return served.flatMap(([key, service]) => {
      return localPolicyGaps(service, state.slicesOf(key), options.nodeName);
    });
  }

  #cannotListen({ namespace, name, uid, port }: HealthCheck, error: Error): void {
    const { nodeName } = this.#parts.options;
    const what = `node ${nodeName} failed to start healthcheck "${namespace}/${name}"`;
    this.#events.record({
      subject: { apiVersion: "v1", kind: "Service", namespace, name, uid },
      type: "Warning",
      reason: "FailedToStartServiceHealthcheck",
      action: "Listen",
      note: `${what} on port ${port}: ${error.message}`,
    });
  }

  #nodeSubject() {
    const name = this.#parts.options.nodeName;
    return { apiVersion: "v1", kind: "Node", namespace: "", name, uid: this.#uidOf("Node", name) };
  }

  /** A Node's Events carry its name, as the kubelet's do: `kubectl describe node` looks for it. */
  #uidOf(kind: string, key: string): string {
    if (kind === "Node") return key;
    return (kind === "Service" && this.#parts.state.services.get(key)?.uid) || "";
  }
}
