// The Envoys of this node that have slots (envoy/slots.ts): the active one, and for a while next to
// it the one that it replaced, or one on standby. Portico starts them and ends what it does not
// need; or another program does, and then both always run (--two-envoys).

import { join } from "node:path";
import { openConnections, serverInfo } from "../../envoy/admin.ts";
import { ADMIN_SOCKET, TABLE_SOCKET, XDS_SOCKET } from "../../envoy/bootstrap.ts";
import { findEnvoy, isExecutable } from "../../envoy/find.ts";
import { type EnvoyKeeper, SomebodyElse } from "../../envoy/keeper.ts";
import { endEnvoy, livingEnvoy } from "../../envoy/process.ts";
import { Retirement } from "../../envoy/retire.ts";
import {
  activateSlot,
  activeSlot,
  drainingUntil,
  emptySlot,
  forgetDraining,
  makeSlot,
  otherSlot,
  type Slot,
  slotDirectory,
} from "../../envoy/slots.ts";
import { EnvoySupervisor } from "../../envoy/supervise.ts";
import { tooOld } from "../../envoy/version.ts";
import type { RunOptions } from "../config/run-options.ts";
import type { Problem } from "../model/types.ts";
import type { Log } from "../observe/log.ts";
import { udpListenersOf } from "../plane/envoy-listeners.ts";
import type { EnvoyPlace, EnvoyPlane } from "../plane/envoy-plane.ts";
import type { NodeSync } from "../plane/node-sync.ts";
import { Refusal } from "../system/refusal.ts";
import { TableClient } from "../table/client.ts";
import type { CapturePorts, RedirectPorts } from "../xds/resources.ts";
import { XdsServer } from "../xds/server.ts";
import { udpBindingsOfPresent } from "../xds/udp-bindings.ts";
import type { EnvoyReplacement, EnvoyStatus } from "./envoy-status.ts";
import { EnvoyTakeover, type MovablePlugin } from "./envoy-takeover.ts";

/** The settings of a node's Envoys: where they are, what starts them, and how. */
type EnvoysOptions = Pick<
  RunOptions,
  | "runDir"
  | "withEnvoy"
  | "twoEnvoys"
  | "capturePorts"
  | "secondCapturePorts"
  | "redirectPorts"
  | "nodeName"
  | "envoyConcurrency"
  | "envoyHungAfterMs"
>;

interface EnvoysParts {
  options: EnvoysOptions;
  log: Log;
  sync: NodeSync;
  plugin: MovablePlugin;
  /** Makes the plane of another Envoy next to the present one. */
  makePlane: (place: EnvoyPlace) => EnvoyPlane;
  report: (problems: Problem[]) => void;
  died: () => void;
  hung: () => void;
  /** Called when an Envoy starts to drain, or has ended. */
  drainingChanged: () => void;
}

const NO_SLOTS =
  "this controller runs without --with-envoy and --two-envoys, so another process starts its " +
  "Envoy; replace Envoy there, which closes its connections";

function placeOf(options: EnvoysOptions, slot: Slot): EnvoyPlace {
  const { runDir, capturePorts, secondCapturePorts, redirectPorts } = options;
  const ports: Record<Slot, CapturePorts> = { a: capturePorts, b: secondCapturePorts };
  const redirected: Record<Slot, RedirectPorts> = { a: redirectPorts[0], b: redirectPorts[1] };
  return {
    directory: slotDirectory(runDir, slot),
    ports: ports[slot],
    redirectPorts: redirected[slot],
    otherPorts: Object.values(ports[otherSlot(slot)]),
    otherRedirectPorts: Object.values(redirected[otherSlot(slot)]),
  };
}

/** Returns where the Envoy is that serves or will serve: a slot, or the run directory itself. */
export async function presentPlace(options: EnvoysOptions): Promise<EnvoyPlace> {
  const place = placeOf(options, await activeSlot(options.runDir));
  const isOurs = options.withEnvoy || (await livingEnvoy(place.directory)) !== undefined;
  if (isOurs || options.twoEnvoys) return place;
  return {
    directory: options.runDir,
    ports: options.capturePorts,
    redirectPorts: options.redirectPorts[0],
    otherPorts: [],
    otherRedirectPorts: [],
  };
}

export class Envoys {
  readonly #parts: EnvoysParts;
  #slot: Slot = "a";
  /** Undefined where there are no slots. */
  #keeper: EnvoyKeeper | undefined;
  #retirement: Retirement | undefined;
  /** The table of the one that retires. */
  #drainingTable: TableClient | undefined;
  /** Stops the controller's parts for the one that retires. */
  #stopRetiring: (() => Promise<void>) | undefined;
  /** For an Envoy of another program on standby; it gets no configuration. */
  #standby: XdsServer | undefined;
  #isReplacing = false;

  constructor(parts: EnvoysParts) {
    this.#parts = parts;
  }

  /** The table of an Envoy that keeps its connections; undefined when there is none. */
  get drainingTable(): TableClient | undefined {
    return this.#drainingTable;
  }

  /** Resolves when an Envoy runs, perhaps not configured yet, if Portico starts it. */
  async start(): Promise<void> {
    const { options, sync } = this.#parts;
    const { runDir, withEnvoy, twoEnvoys } = options;
    if (!withEnvoy && !twoEnvoys) return;
    this.#slot = await activeSlot(runDir);
    if (withEnvoy) await makeSlot(runDir, this.#slot);
    await activateSlot(runDir, this.#slot);
    await this.#adoptOther(otherSlot(this.#slot));
    this.#keeper = await this.#keeperOf(sync.plane.place);
    await this.#keeper.start();
    this.#reportOutdated();
  }

  /** Stops supervising; the Envoys keep running. */
  async release(): Promise<void> {
    await this.#keeper?.release();
    await this.#retirement?.release();
    await this.#stopRetiring?.();
    await this.#standby?.stop();
  }

  /** Checks the version of an Envoy that another program started. */
  async connected(plane: EnvoyPlane): Promise<void> {
    const { options, report, sync } = this.#parts;
    if (options.withEnvoy || plane !== sync.plane) return;
    const { directory } = plane.place;
    const info = await serverInfo(join(directory, ADMIN_SOCKET)).catch(() => undefined);
    const message = tooOld(info?.version, `the one in ${directory}`);
    report(message === undefined ? [] : [{ object: "Envoy", message }]);
  }

  async status(): Promise<EnvoyStatus> {
    const { options, sync } = this.#parts;
    const { directory } = sync.plane.place;
    const socket = join(directory, ADMIN_SOCKET);
    const answers = await Promise.all([serverInfo(socket), openConnections(socket)]).catch(
      () => undefined,
    );
    const [info, open] = answers ?? [];
    const pid = (await livingEnvoy(directory)) ?? null;
    const outdated = this.#keeper?.outdated ?? [];
    return {
      supervised: options.withEnvoy,
      active: info && open ? { directory, pid, ...info, ...figures(open), outdated } : null,
      draining: this.#drainingStatus(),
      standby: await this.#standbyStatus(),
    };
  }

  /** Rejects with Refusal when the present one stays active. */
  async replace(how: EnvoyReplacement): Promise<EnvoyStatus> {
    await this.#replace(how).catch((error: Error) => {
      this.#parts.log.warn({ error: error.message }, "Envoy was not replaced");
      throw new Refusal(error.message);
    });
    return this.status();
  }

  async #replace({ binary, drainMs, endDraining }: EnvoyReplacement): Promise<void> {
    const former = this.#keeper;
    if (!former) throw new Error(NO_SLOTS);
    if (this.#isReplacing) throw new Error("Envoy is already being replaced");
    this.#isReplacing = true;
    try {
      const slot = otherSlot(this.#slot);
      const place = placeOf(this.#parts.options, slot);
      const keeper = await this.#keeperOf(place, binary);
      await this.#makeRoom(endDraining);
      if (this.#parts.options.twoEnvoys) await this.#requireStandby();
      await this.#takeOver({ slot, place, keeper, until: Date.now() + drainMs });
      await former.release();
    } finally {
      this.#isReplacing = false;
    }
  }

  async #takeOver(next: { slot: Slot; place: EnvoyPlace; keeper: EnvoyKeeper; until: number }) {
    const { options, log, sync, makePlane } = this.#parts;
    const { runDir, withEnvoy } = options;
    const { slot, place, keeper, until } = next;
    const former = sync.plane;
    if (withEnvoy) await makeSlot(runDir, slot);
    await this.#standby?.stop();
    this.#standby = undefined;
    try {
      await new EnvoyTakeover({ ...this.#parts, ...next, runDir, plane: makePlane(place) }).run();
    } catch (error) {
      await this.#vacate(slot);
      throw error;
    }
    this.#keeper = keeper;
    this.#slot = slot;
    this.#reportOutdated();
    log.info({ slot, version: keeper.version }, "a new Envoy serves new connections");
    this.#retire(otherSlot(slot), until, () => former.stop());
  }

  /** `binary`: path of the one to start; absent: the one that findEnvoy finds. */
  async #keeperOf(place: EnvoyPlace, binary?: string): Promise<EnvoyKeeper> {
    if (this.#parts.options.withEnvoy) return this.#supervise(place, await this.#binary(binary));
    if (binary === undefined) return new SomebodyElse(place.directory);
    throw new Error("--envoy is for an Envoy that the controller starts (--with-envoy)");
  }

  /** Clears a slot whose Envoy has ended, or goes on standby. */
  async #vacate(slot: Slot): Promise<void> {
    const { options } = this.#parts;
    if (options.withEnvoy) return emptySlot(options.runDir, slot);
    await forgetDraining(options.runDir, slot);
    this.#standby = await this.#silence(slot);
  }

  /**
   * Without a server to connect to, Envoy would log that every second; this one answers nothing.
   */
  async #silence(slot: Slot): Promise<XdsServer> {
    const { options, log } = this.#parts;
    const socketPath = join(slotDirectory(options.runDir, slot), XDS_SOCKET);
    const xds = new XdsServer({ socketPath, log });
    await xds.start();
    return xds;
  }

  /** Returns the binary's path. `named`: a given path. */
  async #binary(named?: string): Promise<string> {
    if (named !== undefined) {
      if (await isExecutable(named)) return named;
      throw new Error(`${named} is not an executable file`);
    }
    return findEnvoy(process.env, (line) => this.#parts.log.info(line));
  }

  #supervise({ directory }: EnvoyPlace, binary: string): EnvoySupervisor {
    const { options, log, died, hung } = this.#parts;
    return new EnvoySupervisor({
      runDirectory: directory,
      nodeId: options.nodeName,
      binary,
      concurrency: options.envoyConcurrency === 0 ? undefined : options.envoyConcurrency,
      hungAfterMs: options.envoyHungAfterMs,
      log,
      onDeath: died,
      onHung: hung,
    });
  }

  /** Adopts another Envoy of an earlier controller: one that drains, or was about to take over. */
  async #adoptOther(slot: Slot): Promise<void> {
    const { options, log, sync } = this.#parts;
    const directory = slotDirectory(options.runDir, slot);
    const until = await drainingUntil(options.runDir, slot);
    const pid = await livingEnvoy(directory);
    if (until === undefined || (options.withEnvoy && pid === undefined)) {
      if (pid !== undefined)
        log.warn({ pid }, "stopping an Envoy that was to take over and did not");
      if (options.withEnvoy) await endEnvoy(directory);
      return this.#vacate(slot);
    }
    const present = await udpListenersOf(join(directory, ADMIN_SOCKET)).catch(() => []);
    sync.setFormer(udpBindingsOfPresent(present));
    const xds = await this.#silence(slot);
    this.#retire(slot, until, () => xds.stop());
  }

  #retire(slot: Slot, until: number, stop: () => Promise<void>): void {
    const { options, log, sync } = this.#parts;
    const directory = slotDirectory(options.runDir, slot);
    const ours = options.withEnvoy;
    const table = new TableClient(join(directory, TABLE_SOCKET));
    this.#setDrainingTable(table);
    this.#stopRetiring = async () => {
      table.close();
      await stop();
    };
    this.#retirement = new Retirement({
      directory,
      until,
      now: Date.now,
      isAlive: async () => !ours || (await livingEnvoy(directory)) !== undefined,
      end: () => (ours ? endEnvoy(directory) : new SomebodyElse(directory).stop()),
      onEnd: async (why) => {
        this.#retirement = undefined;
        this.#stopRetiring = undefined;
        log.info({ slot, why }, "the replaced Envoy has exited");
        sync.setFormer(new Map());
        this.#setDrainingTable(undefined);
        table.close();
        await stop();
        await this.#vacate(slot);
      },
    });
  }

  #setDrainingTable(table: TableClient | undefined): void {
    this.#drainingTable = table;
    this.#parts.drainingChanged();
  }

  async #makeRoom(endDraining: boolean): Promise<void> {
    const retirement = this.#retirement;
    if (!retirement) return;
    if (endDraining) return retirement.endNow("stopped to make room for another");
    const { tcp = "unknown" } = retirement.open ?? {};
    const until = new Date(retirement.until).toISOString();
    throw new Error(
      `the previously replaced Envoy keeps its connections (${tcp}) until ${until}: wait, or ` +
        "stop it with --end-draining",
    );
  }

  #drainingStatus(): EnvoyStatus["draining"] {
    const retirement = this.#retirement;
    if (!retirement) return null;
    const { tcp: connections = null, udpFlows = null } = retirement.open ?? {};
    const directory = slotDirectory(this.#parts.options.runDir, otherSlot(this.#slot));
    return { directory, until: new Date(retirement.until).toISOString(), connections, udpFlows };
  }

  async #requireStandby(): Promise<void> {
    const { directory } = placeOf(this.#parts.options, otherSlot(this.#slot));
    const standby = await this.#standbyStatus();
    if (!standby) throw new Error(`no standby Envoy answers in ${directory}`);
    const refusal = tooOld(standby.version, `the one in ${directory}`);
    if (refusal !== undefined) throw new Error(refusal);
  }

  async #standbyStatus(): Promise<EnvoyStatus["standby"]> {
    if (!this.#standby) return null;
    const { directory } = placeOf(this.#parts.options, otherSlot(this.#slot));
    const info = await serverInfo(join(directory, ADMIN_SOCKET)).catch(() => undefined);
    return info ? { directory, version: info.version } : null;
  }

  #reportOutdated(): void {
    const { report } = this.#parts;
    const found = this.#keeper?.outdated ?? [];
    const advice = "fix: portico envoy replace";
    report(found.map((what) => ({ object: "Envoy", message: `${what}; ${advice}` })));
  }
}

function figures({ tcp, udpFlows }: { tcp: number; udpFlows: number }) {
  return { connections: tcp, udpFlows };
}
