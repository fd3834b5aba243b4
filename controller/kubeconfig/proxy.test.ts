import { expect, test } from "vitest";
import { proxyFromEnvironment } from "./proxy.ts";

const HTTPS_PROXY = "http://proxy.example:3128";

/** Reports whether the way to the API server leads through the proxy, with this NO_PROXY. */
function isProxied(server: string, exceptions: string): boolean {
  return proxyFromEnvironment(server, { HTTPS_PROXY, NO_PROXY: exceptions }) !== undefined;
}

test.each<[server: string, exceptions: string, proxied: boolean]>([
  ["https://10.0.0.1:6443", "", true],
  ["https://10.0.0.1:6443", "10.0.0.0/8", false],
  ["https://10.0.0.1:6443", "10.0.0.0/40, 10.0.0.2", true],
  ["https://10.0.0.1:6443", " 10.0.0.1 ", false],
  ["https://10.0.0.1:6443", "10.0.0.1:443", true],
  ["https://10.0.0.1:6443", "10.0.0.1:6443", false],
  ["https://10.0.0.1:6443", "*", false],
  ["https://[fd00::1]:6443", "fd00::/16", false],
  ["https://[fd00::1]:6443", "[fd00:0::1]:6443", false],
  ["https://[fd00::1]", "10.0.0.0/8", true],
  ["https://127.0.0.1:6443", "", false],
  ["https://localhost:6443", "", false],
  ["https://[::1]:6443", "", false],
  ["https://api.example.com", "example.com", false],
  ["https://example.com", "example.com", false],
  ["https://api.example.com", ".example.com", false],
  ["https://example.com", ".example.com", true],
  ["https://api.example.com", "*.EXAMPLE.com", false],
  ["https://notexample.com", "example.com", true],
  ["https://api.example.com", "example.com:6443", true],
  ["http://api.example.com", "", false],
])("%s with NO_PROXY=%s: %s", (server, exceptions, proxied) => {
  expect(isProxied(server, exceptions)).toBe(proxied);
});

test("either spelling of the variables, and a proxy without a scheme", () => {
  const server = "https://10.0.0.1";
  const spelt = (env: Record<string, string>) => proxyFromEnvironment(server, env)?.href;
  expect(spelt({ https_proxy: "proxy.example:3128" })).toBe("http://proxy.example:3128/");
  expect(spelt({ HTTPS_PROXY: "", https_proxy: HTTPS_PROXY })).toBe(`${HTTPS_PROXY}/`);
  expect(spelt({ HTTP_PROXY: HTTPS_PROXY })).toBeUndefined();
  expect(spelt({ HTTPS_PROXY: "socks5://a:1080" })).toBe("socks5://a:1080");
});
