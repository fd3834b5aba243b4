// Envoy's listeners and clusters behind xDS, as the reconciler drives them; and what an earlier
// controller left there.

import { askAdmin } from "../../envoy/admin.ts";
import { DEFAULT_CAPTURE_OPTIONS } from "../capture/options.ts";
import { sameData } from "../model/same-data.ts";
import type { Problem } from "../model/types.ts";
import type { Listeners } from "../sync/reconcile.ts";
import { socketFamilies } from "../system/ip-families.ts";
import { TableError } from "../table/table-error.ts";
import type { FlowLogOptions } from "../xds/flow-log.ts";
import {
  type FunctionFrontend,
  leadToFunctions,
  withFunctionChains,
} from "../xds/function-chains.ts";
import type { Resource } from "../xds/protos.ts";
import { refusingClusters, refusingListeners } from "../xds/refusing.ts";
import {
  backendsClusters,
  type CapturePorts,
  captureListeners,
  type RedirectPorts,
  redirectListeners,
} from "../xds/resources.ts";
import type { XdsServer } from "../xds/server.ts";
import type { TcpOptions } from "../xds/tcp-options.ts";
import { CLUSTER_TYPE, LISTENER_TYPE } from "../xds/type-urls.ts";
import { UdpPublisher } from "../xds/udp-publisher.ts";
import { roleOfListener } from "../xds/udp-target.ts";
import { GivenListeners } from "./given-listeners.ts";
import { udpFlowLimits } from "./udp-limits.ts";

interface EnvoyListenersParts {
  xds: XdsServer;
  /** The folder of Envoy's sockets. */
  directory: string;
  ports: CapturePorts;
  /** Lets the plugin serve connections. */
  serve: () => Promise<void>;
  tcp: TcpOptions;
  /** What the kernel routes to this node; one bit. */
  mark: number;
  flowLog?: FlowLogOptions | undefined;
  /** Whether the listeners have chains for functions; absent: they do not. */
  takesFunctions?: boolean;
}

export class EnvoyListeners {
  readonly #parts: EnvoyListenersParts;
  readonly #xds: XdsServer;
  readonly #serve: () => Promise<void>;
  readonly #given: GivenListeners;
  readonly #publisher: UdpPublisher;
  #redirectPorts: RedirectPorts | undefined;
  #functionFrontends: readonly FunctionFrontend[] = [];
  /** The listeners given, and with what functions pick for. */
  #led: { given: readonly Resource[]; to: readonly FunctionFrontend[]; listeners: Resource[] } = {
    given: [],
    to: [],
    listeners: [],
  };
  #inherited: ReadonlySet<string> = new Set();

  /** Create it before an Envoy connects: Envoy asks for its clusters before anything else. */
  constructor(parts: EnvoyListenersParts) {
    const { xds, directory, serve, ports, tcp, flowLog } = parts;
    const { envoyMarkBit: mark, masqueradeMarkBit } = DEFAULT_CAPTURE_OPTIONS;
    const clusters = [
      ...backendsClusters({ tcp, mark, masqueradedMark: mark | masqueradeMarkBit }),
      ...refusingClusters(ports.keep, parts.mark),
    ];
    this.#parts = parts;
    this.#xds = xds;
    this.#serve = serve;
    this.#given = new GivenListeners(directory, wantedListeners(parts, undefined));
    this.#publisher = new UdpPublisher({
      xds,
      clusters,
      port: DEFAULT_CAPTURE_OPTIONS.udpPort,
      flowLimit: udpFlowLimits(),
      flowLog,
    });
    xds.setFirst(CLUSTER_TYPE, clusters);
  }

  /**
   * Sets the ports of listeners for connections that NAT redirects; undefined for none. An Envoy
   * keeps those that it has; the next sync adds what it lacks.
   */
  setRedirectPorts(ports: RedirectPorts | undefined): void {
    if (sameData(ports, this.#redirectPorts)) return;
    this.#redirectPorts = ports;
    this.#given.want(wantedListeners(this.#parts, ports));
  }

  /** Sets for which frontends functions pick; the next sync leads their connections there. */
  setFunctionFrontends(frontends: readonly FunctionFrontend[]): void {
    this.#functionFrontends = frontends;
  }

  /** The same array while nothing changes. */
  #leadToFunctions(given: readonly Resource[]): readonly Resource[] {
    const to = this.#functionFrontends;
    if (given !== this.#led.given || to !== this.#led.to) {
      this.#led = { given, to, listeners: leadToFunctions(given, to) };
    }
    return this.#led.listeners;
  }

  /** Returns UDP listeners that Envoy refuses, and others that it has in an outdated form. */
  problems(): Problem[] {
    const outdated = this.#given.outdated.map((name) => ({
      object: "Envoy",
      message:
        `its listener ${name} is still the one of an earlier controller, because a change ` +
        "would close its connections; fix: portico envoy replace",
    }));
    return [...outdated, ...this.#publisher.problems()];
  }

  /** Offers Envoy again what it refused. */
  forgetRefusals(): void {
    this.#publisher.forgetRefusals();
  }

  /** `inherited`: names of the UDP listeners that an Envoy had when this controller started. */
  inherit(inherited: ReadonlySet<string>): void {
    this.#inherited = inherited;
  }

  /**
   * Returns those of the Envoys that are connected now. Throws when none is: an Envoy of an earlier
   * controller may be about to connect, and has not acknowledged what the kernel relies on.
   */
  now(): Listeners {
    const connections = this.#xds.connections().filter((each) => each.asksForListeners);
    if (connections.length === 0) {
      throw new TableError("unreachable", "no Envoy has connected to ask for its listeners yet");
    }
    const waiting = connections.filter(({ admitted }) => !admitted).map(({ id }) => id);
    // False for one that is about to acknowledge some, or has refused some.
    const areEmpty = connections.every((each) => each.isEmpty);
    return {
      active: waiting.length === 0,
      inherited: this.#publisher.hasSetListeners ? undefined : this.#inherited,
      add: async (udp) => {
        await this.#serve();
        // Envoy does not report to the next controller which parts of a refused answer it accepted.
        if (!this.#publisher.hasSetListeners) {
          for (const each of connections) each.suspect(LISTENER_TYPE, this.#inherited);
        }
        const given = await this.#given.listeners(areEmpty);
        this.#publisher.keepListeners(this.#leadToFunctions(given));
        await this.#publisher.add(udp, waiting, areEmpty);
        return this.#publisher.refused();
      },
      removeOthers: (udp) => this.#publisher.removeOthers(udp),
    };
  }
}

function wantedListeners(
  { ports, tcp, takesFunctions }: EnvoyListenersParts,
  redirectPorts: RedirectPorts | undefined,
): readonly Resource[] {
  const families = socketFamilies();
  const more = redirectPorts ? redirectListeners(redirectPorts, families, tcp) : [];
  const listeners = [...captureListeners(ports, families, tcp), ...more];
  const refusing = refusingListeners(ports.keep, families);
  return [...(takesFunctions ? withFunctionChains(listeners) : listeners), ...refusing];
}

/** What Envoy's admin interface returns for GET /listeners?format=json. */
interface ListenerStatuses {
  listener_statuses?: {
    name: string;
    local_address?: { socket_address?: { address: string } };
  }[];
}

interface UdpListenerPlace {
  name: string;
  address: string;
}

/**
 * Returns the UDP listeners that an Envoy has. Rejects with TableError "unreachable" when it does
 * not answer: its table is unreachable then too.
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
