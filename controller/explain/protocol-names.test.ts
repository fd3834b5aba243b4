import { expect, it } from "vitest";
import { withProtocolNames } from "./protocol-names.ts";

it.each([
  ["meta l4proto 6 tproxy ip to 127.0.0.1:15401", "meta l4proto tcp tproxy ip to 127.0.0.1:15401"],
  ["meta l4proto { 6, 17 } ct zone 6", "meta l4proto { tcp, udp } ct zone 6"],
  ["meta l4proto != 6 ip daddr 6.6.6.6", "meta l4proto != tcp ip daddr 6.6.6.6"],
  ["meta l4proto udp th dport 6", "meta l4proto udp th dport 6"],
  ["10.96.0.6 . 6 . 17 : goto verdict_keep", "10.96.0.6 . tcp . 17 : goto verdict_keep"],
  ["fd00::6 . 17 . 6 . fd00::/64", "fd00::6 . udp . 6 . fd00::/64"],
  ["10.1.1.6 . 10.1.1.6, 10.96.0.6 . 53 : 240.0.0.6", undefined],
  ["ip daddr . meta l4proto . th dport vmap @frontends_v4", undefined],
])("%s", (text, named = text) => {
  expect(withProtocolNames(text)).toBe(named);
});
