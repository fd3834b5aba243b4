// The Envoys of this node that have slots (envoy/slots.ts): the one that gets what is new, and for
// a while beside it the one that it replaced, or one that stands by. Portico starts them itself and
// ends what it does not need; or somebody else does, and then both always run (--two-envoys).

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
import type { RunOptions } from "../config.ts";
import type { Problem } from "../model/types.ts";
import type { Log } from "../observe/log.ts";
import { TableClient } from "../table/client.ts";
import type { CapturePorts } from "../xds/resources.ts";
import { XdsServer } from "../xds/server.ts";
import { udpAddressesOfPresent } from "../xds/udp-target.ts";
import type { ActivePlugin } from "./active-plugin.ts";
import type { EnvoyReplacement, EnvoyStatus } from "./control-api.ts";
import { ControlRefusal } from "./control-server.ts";
import { udpListenersOf } from "./envoy-listeners.ts";
import type { EnvoyPlace, EnvoyPlane } from "./envoy-plane.ts";
import { EnvoyTakeover } from "./envoy-takeover.ts";
import type { NodeSync } from "./node-sync.ts";

export interface EnvoysParts {
  options: RunOptions;
  log: Log;
  sync: NodeSync;
  plugin: ActivePlugin;
  /** Another Envoy beside the present one. */
  makePlane: (place: EnvoyPlace) => EnvoyPlane;
  report: (problems: Problem[]) => void;
  died: () => void;
  hung: () => void;
}

const NO_SLOTS =
  "this controller was started with neither --with-envoy nor --two-envoys: its Envoy can only be " +
  "replaced where it is started, and loses its connections";

function placeOf(options: RunOptions, slot: Slot): EnvoyPlace {
  const { runDir, capturePorts, secondCapturePorts, redirectPorts } = options;
  const ports: Record<Slot, CapturePorts> = { a: capturePorts, b: secondCapturePorts };
  const redirected: Record<Slot, CapturePorts> = { a: redirectPorts[0], b: redirectPorts[1] };
  return {
    directory: slotDirectory(runDir, slot),
    ports: ports[slot],
    redirectPorts: redirected[slot],
    otherPorts: Object.values(ports[otherSlot(slot)]),
    otherRedirectPorts: Object.values(redirected[otherSlot(slot)]),
  };
}

/** Where the Envoy is that serves or will: in a slot, or in the run directory itself. */
export async function presentPlace(options: RunOptions): Promise<EnvoyPlace> {
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
  /** Ends what the controller has for the one that retires. */
  #stopRetiring: (() => Promise<void>) | undefined;
  /** For an Envoy of somebody else's that stands by; it is told nothing. */
  #standby: XdsServer | undefined;
  #isReplacing = false;

  constructor(parts: EnvoysParts) {
    this.#parts = parts;
  }

  /** Resolves when an Envoy runs, not yet configured perhaps, if it is ours. */
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

  /** The Envoys go on. */
  async release(): Promise<void> {
    await this.#keeper?.release();
    await this.#retirement?.release();
    await this.#stopRetiring?.();
    await this.#standby?.stop();
  }

  /** Of an Envoy that somebody else has started, nobody has looked at the version before. */
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

  /** Rejects with ControlRefusal when the present one goes on. */
  async replace(how: EnvoyReplacement): Promise<EnvoyStatus> {
    await this.#replace(how).catch((error: Error) => {
      this.#parts.log.warn({ error: error.message }, "Envoy was not replaced");
      throw new ControlRefusal(error.message);
    });
    return this.status();
  }

  async #replace({ binary, drainMs, endDraining }: EnvoyReplacement): Promise<void> {
    const former = this.#keeper;
    if (!former) throw new Error(NO_SLOTS);
    if (this.#isReplacing) throw new Error("Envoy is being replaced already");
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
    const { slot, place, keeper, until } = next;
    const former = sync.plane;
    if (options.withEnvoy) await makeSlot(options.runDir, slot);
    await this.#standby?.stop();
    this.#standby = undefined;
    try {
      await new EnvoyTakeover({ ...this.#parts, ...next, plane: makePlane(place) }).run();
    } catch (error) {
      await this.#vacate(slot);
      throw error;
    }
    this.#keeper = keeper;
    this.#slot = slot;
    this.#reportOutdated();
    log.info({ slot, version: keeper.version }, "another Envoy serves new connections");
    this.#retire(otherSlot(slot), until, () => former.stop());
  }

  /** `binary`: path of the one to start; absent: the one that is found. */
  async #keeperOf(place: EnvoyPlace, binary?: string): Promise<EnvoyKeeper> {
    if (this.#parts.options.withEnvoy) return this.#supervise(place, await this.#binary(binary));
    if (binary === undefined) return new SomebodyElse(place.directory);
    throw new Error("--envoy is for an Envoy that the controller starts (--with-envoy)");
  }

  /** Of a slot whose Envoy has ended, or is to stand by. */
  async #vacate(slot: Slot): Promise<void> {
    const { options } = this.#parts;
    if (options.withEnvoy) return emptySlot(options.runDir, slot);
    await forgetDraining(options.runDir, slot);
    this.#standby = await this.#silence(slot);
  }

  /** Without anybody to connect to, an Envoy would log that every second; it is told nothing. */
  async #silence(slot: Slot): Promise<XdsServer> {
    const { options, log } = this.#parts;
    const socketPath = join(slotDirectory(options.runDir, slot), XDS_SOCKET);
    const xds = new XdsServer({ socketPath, log });
    await xds.start();
    return xds;
  }

  /** `named`: the path of one. */
  async #binary(named?: string): Promise<string> {
    if (named !== undefined) {
      if (await isExecutable(named)) return named;
      throw new Error(`${named} is no file that can be executed`);
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

  /** Of an earlier controller: one that goes on with its connections, or was to take over. */
  async #adoptOther(slot: Slot): Promise<void> {
    const { options, log, sync } = this.#parts;
    const directory = slotDirectory(options.runDir, slot);
    const until = await drainingUntil(options.runDir, slot);
    const pid = await livingEnvoy(directory);
    if (until === undefined || (options.withEnvoy && pid === undefined)) {
      if (pid !== undefined) log.warn({ pid }, "ending an Envoy that was to take over and did not");
      if (options.withEnvoy) await endEnvoy(directory);
      return this.#vacate(slot);
    }
    const present = await udpListenersOf(join(directory, ADMIN_SOCKET)).catch(() => []);
    sync.setFormer(udpAddressesOfPresent(present));
    const xds = await this.#silence(slot);
    this.#retire(slot, until, () => xds.stop());
  }

  #retire(slot: Slot, until: number, stop: () => Promise<void>): void {
    const { options, log, sync } = this.#parts;
    const directory = slotDirectory(options.runDir, slot);
    const ours = options.withEnvoy;
    const table = new TableClient(join(directory, TABLE_SOCKET));
    sync.setDrainingTable(table);
    this.#stopRetiring = async () => {
      table.close();
      await stop();
    };
    this.#retirement = new Retirement({
      ...{ directory, until, now: Date.now },
      isAlive: async () => !ours || (await livingEnvoy(directory)) !== undefined,
      end: () => (ours ? endEnvoy(directory) : new SomebodyElse(directory).stop()),
      onEnd: async (why) => {
        this.#retirement = undefined;
        this.#stopRetiring = undefined;
        log.info({ slot, why }, "the Envoy that was replaced has ended");
        sync.setFormer(new Map());
        sync.setDrainingTable(undefined);
        table.close();
        await stop();
        await this.#vacate(slot);
      },
    });
  }

  async #makeRoom(endDraining: boolean): Promise<void> {
    const retirement = this.#retirement;
    if (!retirement) return;
    if (endDraining) return retirement.endNow("it was to make room");
    const { tcp = "unknown" } = retirement.open ?? {};
    const until = new Date(retirement.until).toISOString();
    throw new Error(
      `the Envoy that was replaced before goes on with its connections (${tcp}) until ${until}: ` +
        "wait, or end it with --end-draining",
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
    if (!standby) throw new Error(`no Envoy answers in ${directory} that could take over`);
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
    const advice = "`portico envoy replace` starts one that is as it should be";
    report(found.map((what) => ({ object: "Envoy", message: `${what}; ${advice}` })));
  }
}

function figures({ tcp, udpFlows }: { tcp: number; udpFlows: number }) {
  return { connections: tcp, udpFlows };
}
