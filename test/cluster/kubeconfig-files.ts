// Certificates that openssl makes, and kubeconfig files, in a folder of a test's own.

import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

const KEY = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes".split(" ");

export class KubeconfigFiles {
  readonly folder = mkdtempSync(join(tmpdir(), "portico-kubeconfigs-"));

  constructor() {
    const made = ["-keyout", this.path("ca.key"), "-out", this.path("ca.crt")];
    this.#openssl("req", "-x509", ...KEY, "-subj", "/CN=test", "-days", "2", ...made);
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  write(name: string, text: string, mode = 0o600): string {
    mkdirSync(dirname(this.path(name)), { recursive: true });
    writeFileSync(this.path(name), text, { mode });
    return this.path(name);
  }

  read(name: string): string {
    return readFileSync(this.path(name), "utf8");
  }

  base64(name: string): string {
    return readFileSync(this.path(name)).toString("base64");
  }

  /** NAME.crt and NAME.key, signed by ca.crt; for 127.0.0.1 and localhost, too. */
  certificate(name: string, commonName: string, organisation = ""): void {
    const subject = `${organisation === "" ? "" : `/O=${organisation}`}/CN=${commonName}`;
    const asked = ["-keyout", this.path(`${name}.key`), "-out", this.path("request")];
    this.#openssl("req", ...KEY, "-subj", subject, ...asked);
    const names = this.write("names", "subjectAltName=IP:127.0.0.1,DNS:localhost\n");
    const signed = ["-CA", this.path("ca.crt"), "-CAkey", this.path("ca.key"), "-days", "2"];
    const out = ["-in", this.path("request"), "-out", this.path(`${name}.crt`), "-extfile", names];
    this.#openssl("x509", "-req", ...signed, ...out);
  }

  /** A program that prints a credential; see exec plugins. */
  program(name: string, script: string): string {
    return this.write(name, `#!/bin/sh\n${script}\n`, 0o700);
  }

  remove(): void {
    rmSync(this.folder, { recursive: true });
  }

  #openssl(...parameters: string[]): void {
    execFileSync("openssl", parameters, { stdio: ["ignore", "ignore", "pipe"] });
  }
}
