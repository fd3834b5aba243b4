// A TCP port before another one, which can be shut: a network that breaks and heals.

import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

export class Gate {
  readonly #sockets = new Set<Socket>();
  readonly #server;
  #isOpen = true;

  private constructor(port: number) {
    this.#server = createServer((socket) => {
      if (!this.#isOpen) return void socket.destroy();
      const other = connect(port, "127.0.0.1");
      socket.pipe(other).pipe(socket);
      for (const [end, far] of [
        [socket, other],
        [other, socket],
      ] as const) {
        this.#sockets.add(end);
        end.on("error", () => far.destroy());
        end.on("close", () => this.#sockets.delete(end) && far.destroy());
      }
    });
  }

  static async before(port: number): Promise<Gate> {
    const gate = new Gate(port);
    gate.#server.listen(0, "127.0.0.1");
    await once(gate.#server, "listening");
    return gate;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Breaks all connections, and every new one. */
  shut(): void {
    this.#isOpen = false;
    for (const socket of this.#sockets) socket.destroy();
  }

  open(): void {
    this.#isOpen = true;
  }

  close(): void {
    this.shut();
    this.#server.close();
  }
}
