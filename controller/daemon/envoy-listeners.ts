// Envoy's listeners and clusters behind xDS, as the reconciler drives them; and what the last
// controller left there.

import { askAdmin } from "../../envoy/admin.ts";
import { DEFAULT_CAPTURE_OPTIONS } from "../capture/options.ts";
import { sameData } from "../model/same-data.ts";
import type { Problem } from "../model/types.ts";
import type { Listeners } from "../sync/reconcile.ts";
import { TableError } from "../table/table-error.ts";
import type { FlowLogOptions } from "../xds/flow-log.ts";
import type { Resource } from "../xds/protos.ts";
import {
  backendsCluster,
  type CapturePorts,
  captureListeners,
  redirectListeners,
} from "../xds/resources.ts";
import type { XdsServer } from "../xds/server.ts";
import type { TcpOptions } from "../xds/tcp-options.ts";
import { CLUSTER_TYPE, LISTENER_TYPE } from "../xds/type-urls.ts";
import { UdpPublisher } from "../xds/udp-publisher.ts";
import { roleOfListener } from "../xds/udp-target.ts";
import { familiesOfThisHost } from "./families.ts";
import { GivenListeners } from "./given-listeners.ts";
import { localPorts, udpFlowLimit } from "./udp-limits.ts";

export interface EnvoyListenersParts {
  xds: XdsServer;
  /** Of Envoy's sockets. */
  directory: string;
  ports: CapturePorts;
  /** Lets the plugin have connections. */
  serve: () => Promise<void>;
  tcp: TcpOptions;
  flowLog?: FlowLogOptions | undefined;
}

export class EnvoyListeners {
  readonly #parts: EnvoyListenersParts;
  readonly #xds: XdsServer;
  readonly #serve: () => Promise<void>;
  readonly #given: GivenListeners;
  readonly #publisher: UdpPublisher;
  #redirectPorts: CapturePorts | undefined;
  #inherited: ReadonlySet<string> = new Set();

  /** To be made before an Envoy connects: it asks for its clusters before anything else. */
  constructor(parts: EnvoyListenersParts) {
    const { xds, directory, serve, tcp, flowLog } = parts;
    const clusters = [backendsCluster({ tcp, mark: DEFAULT_CAPTURE_OPTIONS.envoyMarkBit })];
    this.#parts = parts;
    this.#xds = xds;
    this.#serve = serve;
    this.#given = new GivenListeners(directory, wantedListeners(parts, undefined));
    this.#publisher = new UdpPublisher({
      xds,
      clusters,
      port: DEFAULT_CAPTURE_OPTIONS.udpPort,
      flowLimit: udpFlowLimit(localPorts()),
      flowLog,
    });
    xds.setFirst(CLUSTER_TYPE, clusters);
  }

  /**
   * Where there are to be listeners for connections that NAT redirects; undefined for none. Those
   * that an Envoy has stay; the next sync adds what it lacks.
   */
  setRedirectPorts(ports: CapturePorts | undefined): void {
    if (sameData(ports, this.#redirectPorts)) return;
    this.#redirectPorts = ports;
    this.#given.want(wantedListeners(this.#parts, ports));
  }

  /** UDP listeners that Envoy does not take, and others that it has in another form than wanted. */
  problems(): Problem[] {
    const outdated = this.#given.outdated.map((name) => ({
      object: "Envoy",
      message:
        `its listener ${name} is as an earlier controller made it, since a change would end its ` +
        "connections; `portico envoy replace` starts one that is as it should be",
    }));
    return [...outdated, ...this.#publisher.problems()];
  }

  /** Has Envoy asked once more for what it did not take. */
  forgetRefusals(): void {
    this.#publisher.forgetRefusals();
  }

  /** `inherited`: names of the UDP listeners that an Envoy had when this controller started. */
  inherit(inherited: ReadonlySet<string>): void {
    this.#inherited = inherited;
  }

  /**
   * Those of the Envoys that are connected now. Throws when there is none: one that served for an
   * earlier controller is about to connect, and has not acknowledged what the kernel relies on.
   */
  now(): Listeners {
    const connections = this.#xds.connections().filter((each) => each.asksForListeners);
    if (connections.length === 0) {
      throw new TableError("unreachable", "no Envoy has connected to ask for its listeners yet");
    }
    const waiting = connections.filter(({ admitted }) => !admitted).map(({ id }) => id);
    // Not so of one that is about to acknowledge some, or has refused some.
    const areEmpty = connections.every((each) => each.isEmpty);
    return {
      active: waiting.length === 0,
      inherited: this.#publisher.hasSetListeners ? undefined : this.#inherited,
      add: async (udp) => {
        await this.#serve();
        // What Envoy took of an answer that it refused, it does not say to the next controller.
        if (!this.#publisher.hasSetListeners) {
          for (const each of connections) each.suspect(LISTENER_TYPE, this.#inherited);
        }
        this.#publisher.keepListeners(await this.#given.listeners(areEmpty));
        await this.#publisher.add(udp, waiting, areEmpty);
        return this.#publisher.refused();
      },
      removeOthers: (udp) => this.#publisher.removeOthers(udp),
    };
  }
}

function wantedListeners(
  { ports, tcp }: EnvoyListenersParts,
  redirectPorts: CapturePorts | undefined,
): readonly Resource[] {
  const families = familiesOfThisHost();
  const more = redirectPorts ? redirectListeners(redirectPorts, families, tcp) : [];
  return [...captureListeners(ports, families, tcp), ...more];
}

/** As Envoy's admin interface says it, GET /listeners?format=json. */
interface ListenerStatuses {
  listener_statuses?: {
    name: string;
    local_address?: { socket_address?: { address: string } };
  }[];
}

export interface UdpListenerPlace {
  name: string;
  address: string;
}

/**
 * The UDP listeners that an Envoy has. Rejects with TableError "unreachable" when it does not
 * answer: it has no table for us either.
 */
export async function udpListenersOf(adminSocket: string): Promise<UdpListenerPlace[]> {
  try {
    const { body } = await askAdmin(adminSocket, "/listeners?format=json");
    return udpListenersFrom(JSON.parse(body));
  } catch (error) {
    const { message } = error as Error;
    throw new TableError("unreachable", `Envoy's admin interface, ${adminSocket}: ${message}`);
  }
}

function udpListenersFrom({ listener_statuses = [] }: ListenerStatuses): UdpListenerPlace[] {
  const places = listener_statuses.map(({ name, local_address }) => {
    return { name, address: local_address?.socket_address?.address ?? "" };
  });
  return places.filter(({ name, address }) => roleOfListener(name, address) !== undefined);
}
