// A datagram whose answer is late, a program for two namespaces:
//
//    late-answer.ts server PORT            keeps a question until "now" comes from its own host
//    late-answer.ts client ADDRESS PORT    asks, prints "asked", then what is answered
//    late-answer.ts now PORT               has the server here answer

import { createSocket, type RemoteInfo } from "node:dgram";

const [role, ...args] = process.argv.slice(2);

if (role === "server") {
  let asker: RemoteInfo | undefined;
  const socket = createSocket("udp4");
  socket.on("message", (message, from) => {
    if (message.toString() !== "now") {
      asker = from;
      process.stdout.write("kept\n");
    } else if (asker) {
      socket.send("late", asker.port, asker.address);
    }
  });
  socket.bind(Number(args[0]), () => process.stdout.write("open\n"));
}

if (role === "client") {
  const socket = createSocket("udp4");
  socket.on("message", (message) => process.stdout.write(`${message}\n`, () => process.exit(0)));
  // Connected, so that only the one that was asked can answer.
  socket.connect(Number(args[1]), String(args[0]), () => {
    socket.send("a question", () => process.stdout.write("asked\n"));
  });
}

if (role === "now") {
  const socket = createSocket("udp4");
  socket.send("now", Number(args[0]), "127.0.0.1", () => socket.close());
}
