import { describe, expect, it } from "vitest";
import { ApiFailure, failureFromError, failureFromStatus } from "./api-failure.ts";

const asked = { verb: "watch", resource: "endpointslices", apiGroup: "discovery.k8s.io" } as const;

function errorWithCode(code: string, message = code): Error {
  return Object.assign(new Error(message), { code });
}

describe("an HTTP status", () => {
  it.each([
    [401, "unauthorized"],
    [403, "forbidden"],
    [404, "absent"],
    [410, "gone"],
    [400, "refused"],
    [422, "refused"],
    [429, "unwell"],
    [500, "unwell"],
    [504, "unwell"],
  ])("%i is %s", (status, code) => {
    expect(failureFromStatus(asked, status, "").code).toBe(code);
  });

  it("names the right that is missing", () => {
    const failure = failureFromStatus(asked, 403, "endpointslices is forbidden");
    expect(failure.message).toBe(
      "Portico may not watch endpointslices.discovery.k8s.io (403): endpointslices is forbidden",
    );
    expect(failure.hint).toContain('apiGroups: ["discovery.k8s.io"]');
  });
});

describe("an error of a connection", () => {
  it.each([
    ["ECONNREFUSED", "unreachable", "https://api refuses the connection."],
    ["ENOTFOUND", "unreachable", "https://api has a name that does not resolve."],
    ["EHOSTUNREACH", "unreachable", "https://api cannot be reached: no route to its host."],
    ["CERT_HAS_EXPIRED", "certificate", "the server's certificate has expired"],
    ["ERR_TLS_CERT_ALTNAME_INVALID", "certificate", "is for another name"],
    ["SELF_SIGNED_CERT_IN_CHAIN", "certificate", "not signed by the expected authority"],
    ["UNABLE_TO_VERIFY_LEAF_SIGNATURE", "certificate", "not signed by the expected authority"],
    ["ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED", "certificate", "our client certificate"],
    ["EPROTO", "certificate", "TLS failed"],
    ["ECONNRESET", "cut", "broke"],
  ])("%s is %s", (code, expected, words) => {
    const failure = failureFromError("https://api", errorWithCode(code));
    expect(failure.code).toBe(expected);
    expect(failure.message).toContain(words);
  });

  it("that is a failure already stays what it is", () => {
    const failure = new ApiFailure("silent", "quiet", "");
    expect(failureFromError("https://api", failure)).toBe(failure);
  });

  it("without a code is a fault of ours, and thrown on", () => {
    expect(() => failureFromError("https://api", new TypeError("x is undefined"))).toThrow(
      TypeError,
    );
  });
});
