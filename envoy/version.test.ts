import { expect, it } from "vitest";
import { versionFrom } from "./admin.ts";
import { envoyVersion, refuseOldEnvoy } from "./version.ts";

it("finds the version in what Envoy says of itself", () => {
  expect(versionFrom("0a1b/1.40.0/Clean/RELEASE/BoringSSL")).toBe("1.40.0");
  expect(versionFrom("0a1b/1.41.0-dev/Modified/DEBUG/BoringSSL")).toBe("1.41.0");
  expect(versionFrom("GNU bash, version 5.2")).toBeUndefined();
});

it("refuses an older one, and says which it is and what to do", () => {
  for (const version of ["1.9.9", "1.39.9", "0.99.0"]) {
    expect(() => refuseOldEnvoy(version, "/opt/envoy")).toThrow(
      `/opt/envoy is Envoy ${version}, and Portico needs 1.40.0 or newer: set ENVOY`,
    );
  }
  for (const version of ["1.40.0", "1.40.3", "1.100.0", "2.0.0", undefined]) {
    expect(() => refuseOldEnvoy(version, "/opt/envoy")).not.toThrow();
  }
});

it("does not know the version of a program that is no Envoy, or none at all", async () => {
  expect(await envoyVersion("/bin/false")).toBeUndefined();
  expect(await envoyVersion("/nowhere/envoy")).toBeUndefined();
});
