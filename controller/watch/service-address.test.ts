import { expect, it } from "vitest";
import { serviceAddressProblem } from "./service-address.ts";

const SERVICE = "10.96.0.1";

it("tells the address of the Service kubernetes from the API server's own", () => {
  const of = (host: string) =>
    serviceAddressProblem({ KUBERNETES_SERVICE_HOST: host, KUBERNETES_PORT_443_TCP_ADDR: SERVICE });
  expect(of(SERVICE)).toMatch(/^KUBERNETES_SERVICE_HOST is 10\.96\.0\.1, .*portico-api-server/);
  expect(of("192.168.0.7")).toBeUndefined();
});

it("has nothing to say outside a Pod", () => {
  expect(serviceAddressProblem({})).toBeUndefined();
});
