import { expect, it } from "vitest";
import { pageAddressFromText, pageURL } from "./page-address.ts";

it.each([
  ["127.0.0.1:8081", "http://127.0.0.1:8081/"],
  ["127.0.0.2:8081", "http://127.0.0.2:8081/"],
  ["localhost:8081", "http://127.0.0.1:8081/"],
  ["[::1]:8081", "http://[::1]:8081/"],
  ["/run/portico/page.sock", "unix:/run/portico/page.sock"],
])("listens on %s", (text, url) => {
  expect(pageURL(pageAddressFromText(text))).toBe(url);
});

it.each(["0.0.0.0:8081", "[::]:8081", "192.0.2.1:8081", "10.0.0.1:80", "[::ffff:192.0.2.1]:80"])(
  "refuses %s, which others can reach",
  (text) => {
    expect(() => pageAddressFromText(text)).toThrow("is reachable from other machines");
  },
);

it.each(["", "8081", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:65536", "node-1:80", "page.sock"])(
  "refuses %j, and says what to give",
  (text) => {
    expect(() => pageAddressFromText(text)).toThrow("Give 127.0.0.1:PORT");
  },
);
