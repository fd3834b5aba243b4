// What others see of a running controller: its health, its metrics, the health of Services, Events.
// It makes those parts and passes events on to them; none of them decides anything.

import type { RunOptions } from "../config/run-options.ts";
import { isNodeEligible, ProxyHealth } from "../health/proxy-health.ts";
import { proxyHealthRoutes } from "../health/proxy-health-routes.ts";
import { readinessAnswer } from "../health/readiness.ts";
import type { HealthCheck } from "../health/service-health.ts";
import { ServiceHealthFollower } from "../health/service-health-follower.ts";
import { ServiceHealthServer } from "../health/service-health-server.ts";
import { type BindAddress, HttpEndpoint } from "../http/endpoint.ts";
import type { Route } from "../http/routes.ts";
import type { ApiAccess } from "../kubeconfig/access.ts";
import type { ClusterState } from "../model/cluster-state.ts";
import type { EndpointSlice, IPFamily, Kind, KindTypes, Problem, Service } from "../model/types.ts";
import { envoyMetrics } from "../observe/envoy-metrics.ts";
import { eventFromProblem } from "../observe/event-from-problem.ts";
import type { EventMetrics } from "../observe/event-metrics.ts";
import { EventRecorder } from "../observe/events.ts";
import { KubernetesEvents } from "../observe/events-api.ts";
import { type LocalPolicyGap, localPolicyGaps } from "../observe/local-policy-gaps.ts";
import type { Log } from "../observe/log.ts";
import { Metrics } from "../observe/metrics.ts";
import { metricsRoutes } from "../observe/metrics-routes.ts";
import type { Figures } from "../observe/present-metrics.ts";
import { ServiceEvents } from "../observe/service-events.ts";
import { readServiceMetrics } from "../observe/service-metrics.ts";
import type { ServiceStatsSnapshot } from "../observe/service-stats.ts";
import type { SyncObserver } from "../plane/node-sync.ts";
import { systemClock, wallClock } from "../system/clock.ts";
import { PORTICO_VERSION } from "../system/version.ts";

/** As kube-proxy: two syncs that look for what others changed. */
const HEALTH_TIMEOUT_SYNC_PERIODS = 2;
const FAMILIES: readonly IPFamily[] = ["IPv4", "IPv6"];

/** The settings for what operators see. */
type OperationsOptions = Pick<
  RunOptions,
  | "nodeName"
  | "serviceProxyName"
  | "syncPeriodMs"
  | "eventGraceMs"
  | "envoyHungAfterMs"
  | "healthzBindAddress"
  | "metricsBindAddress"
  | "bindAddressHardFail"
  | "profiling"
  | "serviceMetrics"
>;

interface OperationsParts {
  options: OperationsOptions;
  /** The admin socket of the active Envoy. */
  adminSocket: string;
  /** The content of /configz: all settings, by component. */
  configz: () => Readonly<Record<string, object>>;
  /** The content of /flagz: all settings, by name. */
  settings: Readonly<Record<string, unknown>>;
  state: ClusterState;
  log: Log;
  /** For writing Events; undefined: they only go to the log. */
  loadAccess: (() => ApiAccess) | undefined;
  /** Where node ports answer, and healthCheckNodePorts with them. */
  nodePortAddresses: () => readonly string[];
  serviceStats: () => Promise<ServiceStatsSnapshot>;
  /** What others changed in the kernel and no sync has repaired yet, in words. */
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
  #served: { checks: readonly HealthCheck[]; addresses: readonly string[] } | undefined;
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

  /** The metrics for parts that count what happens. */
  get counted(): EventMetrics {
    return this.#metrics.counted;
  }

  /** Rejects when an address cannot be bound and that is configured as fatal. */
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

  /**
   * Reports it in an Event if it is about an object of the cluster, and not harmless without a
   * reason; otherwise in the log.
   */
  problemAppeared(problem: Problem): void {
    const event = eventFromProblem(problem, (kind, key) => this.#uidOf(kind, key));
    const isForItsOwner = !problem.isHarmless || problem.reason !== undefined;
    if (event && isForItsOwner) this.#events.record(event);
    else this.#parts.log.warn({ object: problem.object }, problem.message);
  }

  /** From the followed file: no command on this node requested it, so an Event reports it. */
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

  /** Reports to operators who look at the node that its connections were lost. */
  envoyHung(): void {
    const { options } = this.#parts;
    const seconds = options.envoyHungAfterMs / 1_000;
    this.counted.envoyHangs.inc();
    this.#events.record({
      subject: this.#nodeSubject(),
      type: "Warning",
      reason: "EnvoyHung",
      action: "Restart",
      note: `the node's Envoy did not answer for ${seconds} s and is restarted`,
    });
  }

  queued(): void {
    this.#metrics.sync.queued();
    if (this.#parts.state.isSynced()) this.#health.queued();
  }

  began(): void {
    this.#metrics.sync.began();
  }

  underWay(): void {
    this.#serviceEvents.update();
  }

  succeeded(durationSeconds: number, full: boolean): void {
    this.#hasProgrammed = true;
    this.#metrics.sync.succeeded(durationSeconds, full);
    this.#health.updated();
    this.#serveChecks();
  }

  /** What could not be programmed counts as queued, whatever requested the sync. */
  failed(error: unknown): void {
    this.#metrics.sync.failed(error);
    this.#health.queued();
  }

  /** Costs what all Services with a healthCheckNodePort do, and that only when one changed. */
  #serveChecks(): void {
    const checks = this.#checks.checks();
    const addresses = this.#parts.nodePortAddresses();
    if (checks === this.#served?.checks && addresses === this.#served.addresses) return;
    this.#served = { checks, addresses };
    this.#checkServer.serve(checks, addresses);
  }

  /** Returns none where it should not listen. */
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

  /** kube-proxy too does not answer before it knows its Node. */
  #isNodeEligible(): boolean {
    const { state, options } = this.#parts;
    return !state.isSynced("Node") || isNodeEligible(state.nodes.get(options.nodeName));
  }

  #metricsRoutes(): Record<string, Route> {
    const { options, adminSocket, configz, settings } = this.#parts;
    return metricsRoutes({
      metrics: async () => ({
        type: this.#metrics.contentType,
        body: (await this.#metrics.text(this.#figures())) + (await this.#serviceMetrics()),
      }),
      envoyMetrics: () => envoyMetrics(adminSocket),
      configz,
      profiling: options.profiling,
      facts: {
        version: PORTICO_VERSION,
        startedAt: performance.timeOrigin,
        now: () => wallClock.now(),
        settings,
      },
    });
  }

  #serviceMetrics(): Promise<string> | string {
    const { options, serviceStats } = this.#parts;
    return options.serviceMetrics === "off" ? "" : readServiceMetrics(serviceStats);
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
