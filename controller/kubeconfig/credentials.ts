// An ApiAccess → what one request needs: certificates and headers. Reads files for each request, so
// that renewed ones are used at once; for a file that cannot be read, or is half written, keeps
// what was read last.

import { readFileSync } from "node:fs";
import { createSecureContext, getCACertificates } from "node:tls";
import { wallClock } from "../system/clock.ts";
import type { ApiAccess, ExecPlugin, Material } from "./access.ts";
import { type ExecCredential, runExecPlugin } from "./exec-plugin.ts";

/** As node:https takes it. */
interface RequestCredentials {
  headers: Record<string, string | string[]>;
  tls: TlsOptions;
}

interface TlsOptions {
  ca?: string | string[];
  cert?: string;
  key?: string;
  servername?: string;
  rejectUnauthorized?: false;
}

export class Credentials {
  readonly #access: ApiAccess;
  /** The last non-empty content, by path. */
  readonly #lastGood = new Map<string, string>();
  #lastTls: { key: string; options: TlsOptions } | undefined;
  #exec: { credential: ExecCredential } | undefined;
  #running: Promise<ExecCredential> | undefined;

  constructor(access: ApiAccess) {
    this.#access = access;
  }

  /** Rejects with an Error that names the file or the plugin. */
  async forRequest(): Promise<RequestCredentials> {
    const { server, user } = this.#access;
    if (!server.startsWith("https:")) return { headers: user.impersonation, tls: {} };
    const plugin = this.#execOf(user.exec);
    const exec = plugin && (await this.#execCredential(plugin));
    const token = user.token ? this.#token(user.token) : exec?.token;
    const headers = { ...authorization(token, user.basic), ...user.impersonation };
    return { headers, tls: this.#tls(exec?.certificate) };
  }

  /** The API server refused them (401): runs a plugin again. */
  refused(): void {
    this.#exec = undefined;
  }

  /** A plugin is for users without other credentials. */
  #execOf(plugin: ExecPlugin | undefined): ExecPlugin | undefined {
    const { token, basic, certificate } = this.#access.user;
    return token || basic || certificate ? undefined : plugin;
  }

  /** Runs the plugin when necessary, and never twice at the same time. */
  async #execCredential(plugin: ExecPlugin): Promise<ExecCredential> {
    const { expiresAt = Number.POSITIVE_INFINITY } = this.#exec?.credential ?? {};
    if (this.#exec && wallClock.now() < expiresAt) return this.#exec.credential;
    const cluster = plugin.clusterInfo && { ...plugin.clusterInfo, ...this.#authorityData() };
    this.#running ??= runExecPlugin(plugin, cluster).finally(() => {
      this.#running = undefined;
    });
    const credential = await this.#running;
    this.#exec = { credential };
    return credential;
  }

  #authorityData(): object {
    const { authority } = this.#access.tls;
    if (!authority) return {};
    const data = Buffer.from(this.#text(authority)).toString("base64");
    return { "certificate-authority-data": data };
  }

  /** As in client-go: the file's content, and the text only until the file could be read. */
  #token({ text, file }: { text: string; file: string | undefined }): string {
    if (file === undefined) return text;
    try {
      const read = this.#read(file).trim();
      if (read === "") throw new Error(`${file} is empty`);
      this.#lastGood.set(file, read);
      return read;
    } catch (error) {
      const last = this.#lastGood.get(file) ?? text;
      if (last !== "") return last;
      throw new Error(`the token file cannot be used: ${(error as Error).message}`);
    }
  }

  #tls(fromPlugin: ExecCredential["certificate"]): TlsOptions {
    const { tls, user } = this.#access;
    const { certificate } = user;
    const cert = certificate ? this.#text(certificate.cert) : fromPlugin?.cert;
    const key = certificate ? this.#text(certificate.key) : fromPlugin?.key;
    const ca = tls.authority && this.#text(tls.authority);
    const identity = JSON.stringify([ca, cert, key]);
    if (this.#lastTls?.key === identity) return this.#lastTls.options;
    const options: TlsOptions = {
      ...(!tls.insecure && { ca: ca ?? systemAuthorities() }),
      ...(cert !== undefined && { cert }),
      ...(key !== undefined && { key }),
      ...(tls.serverName !== undefined && { servername: tls.serverName }),
      ...(tls.insecure && { rejectUnauthorized: false as const }),
    };
    try {
      assertUsable(ca, options);
      this.#lastTls = { key: identity, options };
    } catch (error) {
      // Certificate and key are two files, not written at the same time.
      if (!this.#lastTls || fromPlugin) throw error;
    }
    return this.#lastTls?.options ?? options;
  }

  #text(material: Material): string {
    if ("text" in material) return material.text;
    try {
      const text = this.#read(material.file);
      if (text.trim() === "") throw new Error(`${material.file} is empty`);
      this.#lastGood.set(material.file, text);
      return text;
    } catch (error) {
      const last = this.#lastGood.get(material.file);
      if (last !== undefined) return last;
      throw error;
    }
  }

  #read(file: string): string {
    return readFileSync(file, "utf8");
  }
}

function authorization(token: string | undefined, basic: ApiAccess["user"]["basic"]) {
  if (token) return { authorization: `Bearer ${token.trim()}` };
  if (!basic) return {};
  const text = Buffer.from(`${basic.username}:${basic.password}`).toString("base64");
  return { authorization: `Basic ${text}` };
}

/** Go's clients trust the system's list; where an image has none, this uses Node's own. */
function systemAuthorities(): string[] {
  return [...new Set([...getCACertificates("system"), ...getCACertificates("bundled")])];
}

/** Node silently treats an authority without any certificate as one that signs nothing. */
function assertUsable(ca: string | undefined, options: TlsOptions): void {
  if (ca !== undefined && !/-----BEGIN (TRUSTED |X509 )?CERTIFICATE-----/.test(ca)) {
    throw new Error("the certificate-authority holds no certificate in PEM");
  }
  try {
    const { cert, key } = options;
    createSecureContext({ ...(ca !== undefined && { ca }), ...(cert && { cert, key }) });
  } catch (error) {
    throw new Error(`the client certificate and key cannot be used: ${(error as Error).message}`);
  }
}
