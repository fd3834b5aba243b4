// A host with a clock that tests move, and connections that wait for their backends.

import type { Frontend } from "../../controller/node/types.ts";
import { type ConnectOptions, type HostOptions, type OpenConnection, WasmHost } from "./host.ts";
import { PLUGIN, snapshot } from "./table-fixtures.ts";

export const AT = "10.96.0.1:80";
const MS = 1_000_000n;
/** Of Envoy, as the controller configures it by default. */
export const ATTEMPTS = 10;
export const HALF_MS = 500;
/** Between two looks, with the tick that comes after it. */
export const LONGEST_PAUSE_MS = 25;

export class WaitingHost {
  readonly host: WasmHost;
  readonly #clock: { time: bigint };

  private constructor(host: WasmHost, clock: { time: bigint }) {
    this.host = host;
    this.#clock = clock;
  }

  static async load(
    table: readonly Frontend[],
    options: HostOptions = {},
    clock = { time: 1_000_000n * MS },
  ): Promise<WaitingHost> {
    const steadyNow = () => clock.time;
    const host = await WasmHost.load(PLUGIN, { seed: 7, steadyNow, ...options });
    if (!options.shared) host.pushAll(snapshot(table, 1));
    return new WaitingHost(host, clock);
  }

  /** A connection whose first attempt is in progress. */
  open(options: ConnectOptions = {}, at = AT): OpenConnection {
    return this.host.open(at, { waits: true, ...options });
  }

  /** Time passes, with all the ticks that were asked for meanwhile. */
  pass(milliseconds: number): void {
    for (let left = milliseconds; left > 0; ) {
      const period = Math.min(...this.host.tickPeriods, left);
      this.#clock.time += BigInt(period) * MS;
      left -= period;
      if (this.host.isTicking) this.host.tickOnce();
    }
  }

  /** Refuses one attempt after another, with a tick between; returns all that were attempted. */
  refuseAll(options: ConnectOptions = {}, at = AT): string[] {
    const { envoy, end } = this.open(options, at);
    for (let i = 1; i < ATTEMPTS; i++) {
      envoy.fail();
      this.pass(5);
      envoy.attempt();
    }
    envoy.fail();
    end({ flags: 0x8020 });
    return envoy.attempted;
  }
}
