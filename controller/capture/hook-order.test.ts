import { expect, it } from "vitest";
import { hookOrder } from "./hook-order.ts";

/** A stand-in for nft whose kernel counted this many packets in the two chains. */
function nft(older: number, latest: number, refuses = false) {
  const scripts: string[] = [];
  const chain = (name: string, count: number) =>
    `\tchain ${name} {\n\t\tudp dport 1 counter packets ${count} bytes 29\n\t}\n`;
  const run = async (_: string, args: readonly string[], input: string) => {
    if (input !== "") scripts.push(input);
    const stdout = args[0] === "list" ? `${chain("older", older)}${chain("latest", latest)}` : "";
    return { code: refuses ? 1 : 0, stdout, stderr: "" };
  };
  return { run, scripts };
}

it("is seen from who counted a datagram that the older chain drops", async () => {
  expect(await hookOrder(nft(1, 1).run)).toBe("latest-first");
  expect(await hookOrder(nft(1, 0).run)).toBe("oldest-first");
});

it("is not known where it cannot be tried", async () => {
  expect(await hookOrder(nft(0, 0, true).run)).toBeUndefined();
  expect(await hookOrder(nft(0, 0).run)).toBeUndefined();
  expect(await hookOrder(async () => undefined)).toBeUndefined();
  expect(await hookOrder(async () => await Promise.reject(new Error("ENOENT")))).toBeUndefined();
});

it("leaves nothing behind", async () => {
  for (const refuses of [false, true]) {
    const { run, scripts } = nft(1, 1, refuses);
    await hookOrder(run);
    expect(scripts.at(-1)).toBe("table inet portico_order\ndelete table inet portico_order\n");
  }
});
