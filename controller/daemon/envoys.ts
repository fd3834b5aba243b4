// The Envoys of this node that Portico starts: the one that gets what is new, kept running; and for
// a while beside it the one that it replaced. What a controller that starts finds of an earlier one
// is in envoy/slots.ts.

import { join } from "node:path";
import { openConnections, serverInfo } from "../../envoy/admin.ts";
import { ADMIN_SOCKET, XDS_SOCKET } from "../../envoy/bootstrap.ts";
import { findEnvoy, isExecutable } from "../../envoy/find.ts";
import { endEnvoy, livingEnvoy } from "../../envoy/process.ts";
import { Retirement } from "../../envoy/retire.ts";
import {
  activateSlot,
  activeSlot,
  drainingUntil,
  emptySlot,
  makeSlot,
  otherSlot,
  type Slot,
  slotDirectory,
} from "../../envoy/slots.ts";
import { EnvoySupervisor } from "../../envoy/supervise.ts";
import type { RunOptions } from "../config.ts";
import type { Problem } from "../model/types.ts";
import type { Log } from "../observe/log.ts";
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

const NOT_OURS =
  "this controller was started without --with-envoy, so it starts no Envoy: replace it where it " +
  "is started";

function placeOf({ runDir, capturePorts, secondCapturePorts }: RunOptions, slot: Slot): EnvoyPlace {
  const ports: Record<Slot, CapturePorts> = { a: capturePorts, b: secondCapturePorts };
  return {
    directory: slotDirectory(runDir, slot),
    ports: ports[slot],
    otherPorts: Object.values(ports[otherSlot(slot)]),
  };
}

/** Where the Envoy is that serves or will: ours, or in the run directory itself one that is not. */
export async function presentPlace(options: RunOptions): Promise<EnvoyPlace> {
  const place = placeOf(options, await activeSlot(options.runDir));
  const isOurs = options.withEnvoy || (await livingEnvoy(place.directory)) !== undefined;
  if (!isOurs) return { directory: options.runDir, ports: options.capturePorts, otherPorts: [] };
  return place;
}

export class Envoys {
  readonly #parts: EnvoysParts;
  #slot: Slot = "a";
  #supervisor: EnvoySupervisor | undefined;
  #retirement: Retirement | undefined;
  /** Ends what the controller has for the one that retires. */
  #stopRetiring: (() => Promise<void>) | undefined;
  #isReplacing = false;

  constructor(parts: EnvoysParts) {
    this.#parts = parts;
  }

  /** Resolves when an Envoy runs, not yet configured perhaps. Does nothing if it is not ours. */
  async start(): Promise<void> {
    const { options, sync } = this.#parts;
    if (!options.withEnvoy) return;
    const { runDir } = options;
    this.#slot = await activeSlot(runDir);
    await makeSlot(runDir, this.#slot);
    await activateSlot(runDir, this.#slot);
    await this.#adoptOther(otherSlot(this.#slot));
    this.#supervisor = this.#supervise(sync.plane.place, await this.#binary());
    await this.#supervisor.start();
    this.#reportOutdated();
  }

  /** The Envoys go on. */
  async release(): Promise<void> {
    await this.#supervisor?.release();
    await this.#retirement?.release();
    await this.#stopRetiring?.();
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
    const outdated = this.#supervisor?.outdated ?? [];
    return {
      supervised: options.withEnvoy,
      active: info && open ? { directory, pid, ...info, ...figures(open), outdated } : null,
      draining: this.#drainingStatus(),
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
    const { options, log, sync } = this.#parts;
    const former = this.#supervisor;
    if (!former) throw new Error(NOT_OURS);
    if (this.#isReplacing) throw new Error("Envoy is being replaced already");
    this.#isReplacing = true;
    try {
      const found = await this.#binary(binary);
      await this.#makeRoom(endDraining);
      const slot = otherSlot(this.#slot);
      await makeSlot(options.runDir, slot);
      const plane = this.#parts.makePlane(placeOf(options, slot));
      const supervisor = this.#supervise(plane.place, found);
      const until = Date.now() + drainMs;
      const formerPlane = sync.plane;
      const takeover = new EnvoyTakeover({ ...this.#parts, slot, plane, supervisor, until });
      await takeover.run();
      await former.release();
      this.#supervisor = supervisor;
      this.#slot = slot;
      this.#reportOutdated();
      log.info({ slot, version: supervisor.version }, "another Envoy serves new connections");
      this.#retire(otherSlot(slot), until, () => formerPlane.stop());
    } finally {
      this.#isReplacing = false;
    }
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
    if (pid === undefined || until === undefined) {
      if (pid !== undefined) log.warn({ pid }, "ending an Envoy that was to take over and did not");
      await endEnvoy(directory);
      await emptySlot(options.runDir, slot);
      return;
    }
    const present = await udpListenersOf(join(directory, ADMIN_SOCKET)).catch(() => []);
    sync.setFormer(udpAddressesOfPresent(present));
    // It is told nothing; without anybody to connect to, it would log that every second.
    const xds = new XdsServer({ socketPath: join(directory, XDS_SOCKET), log });
    await xds.start();
    this.#retire(slot, until, () => xds.stop());
  }

  #retire(slot: Slot, until: number, stop: () => Promise<void>): void {
    const { options, log, sync } = this.#parts;
    this.#stopRetiring = stop;
    this.#retirement = new Retirement({
      directory: slotDirectory(options.runDir, slot),
      until,
      now: Date.now,
      onEnd: async (why) => {
        this.#retirement = undefined;
        this.#stopRetiring = undefined;
        log.info({ slot, why }, "the Envoy that was replaced has ended");
        sync.setFormer(new Map());
        await stop();
        await emptySlot(options.runDir, slot);
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

  #reportOutdated(): void {
    const { report } = this.#parts;
    const found = this.#supervisor?.outdated ?? [];
    const advice = "`portico envoy replace` starts one that is as it should be";
    report(found.map((what) => ({ object: "Envoy", message: `${what}; ${advice}` })));
  }
}

function figures({ tcp, udpFlows }: { tcp: number; udpFlows: number }) {
  return { connections: tcp, udpFlows };
}
