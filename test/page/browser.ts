// A headless Chromium in a network namespace, driven over the DevTools protocol on a pipe: opens
// pages, asks them, clicks and types as people do, and takes screenshots.

import type { ChildProcess } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { eventually } from "../eventually.ts";
import type { Namespace } from "../namespaces/namespace.ts";

interface Look {
  width: number;
  height: number;
  dark?: boolean;
  /** Pixels of a screenshot for each of the page's; 1 when absent. */
  scale?: number;
}

interface Message {
  id?: number;
  sessionId?: string;
  method?: string;
  params?: Record<string, unknown>;
  result?: Record<string, unknown>;
  error?: { message: string };
}

type Send = (method: string, params?: object) => Promise<Record<string, unknown>>;

const FLAGS = [
  "--headless=new",
  "--remote-debugging-pipe",
  // Root, and containers, have no sandbox; the page is ours.
  "--no-sandbox",
  "--disable-dev-shm-usage",
  "--disable-gpu",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--hide-scrollbars",
];
/** For one answer of the browser's; the machine may be slow. */
const PATIENCE_MS = 60_000;

export class Browser {
  readonly #child: ChildProcess;
  readonly #profile: string;
  readonly #waiting = new Map<number, (message: Message) => void>();
  readonly #pages = new Map<string, BrowserPage>();
  #lastId = 0;
  #said = "";

  private constructor(child: ChildProcess, profile: string) {
    this.#child = child;
    this.#profile = profile;
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#said = (this.#said + text).slice(-2_000);
    });
    child.on("exit", () => {
      const error = { message: `Chromium ended: ${this.#said}` };
      for (const settle of this.#waiting.values()) settle({ error });
    });
    let rest = "";
    (child.stdio[4] as Readable).setEncoding("utf8").on("data", (text: string) => {
      const parts = (rest + text).split("\0");
      rest = parts.pop() ?? "";
      for (const part of parts) this.#take(JSON.parse(part) as Message);
    });
  }

  static async start(namespace: Namespace, program: string): Promise<Browser> {
    const profile = mkdtempSync(join(tmpdir(), "portico-page-"));
    const args = [...FLAGS, `--user-data-dir=${profile}`, "about:blank"];
    const stdio = ["ignore", "ignore", "pipe", "pipe", "pipe"] as const;
    return new Browser(namespace.spawn(program, args, { stdio: [...stdio] }), profile);
  }

  async close(): Promise<void> {
    await this.#send("Browser.close").catch(() => {});
    this.#child.kill("SIGKILL");
    await eventually("Chromium's end", 60_000, async () => hasEnded(this.#child));
    // Its helpers may still be writing.
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 200 });
  }

  /** A new tab of that size. Resolves before it has loaded. */
  async open(url: string, look: Look): Promise<BrowserPage> {
    const { targetId } = await this.#send("Target.createTarget", { url: "about:blank" });
    const attach = { targetId, flatten: true };
    const { sessionId } = await this.#send("Target.attachToTarget", attach);
    const session = sessionId as string;
    const page = new BrowserPage(
      (method, params) => this.#send(method, params, session),
      async () => {
        this.#pages.delete(session);
        await this.#send("Target.closeTarget", { targetId });
      },
    );
    this.#pages.set(session, page);
    await page.begin(url, look);
    return page;
  }

  #send(method: string, params: object = {}, sessionId?: string) {
    const id = ++this.#lastId;
    const text = JSON.stringify({ id, method, params, ...(sessionId ? { sessionId } : {}) });
    const { promise, resolve, reject } = Promise.withResolvers<Record<string, unknown>>();
    const late = setTimeout(() => reject(new Error(`${method}: no answer`)), PATIENCE_MS);
    this.#waiting.set(id, ({ result, error }) => {
      clearTimeout(late);
      this.#waiting.delete(id);
      if (error) reject(new Error(`${method}: ${error.message}`));
      else resolve(result ?? {});
    });
    if (hasEnded(this.#child)) reject(new Error(`Chromium ended: ${this.#said}`));
    else (this.#child.stdio[3] as Writable).write(`${text}\0`);
    return promise;
  }

  #take(message: Message): void {
    if (message.id !== undefined) this.#waiting.get(message.id)?.(message);
    else this.#pages.get(message.sessionId ?? "")?.heard(message.method ?? "", message.params);
  }
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}

export class BrowserPage {
  /** Whatever went wrong in it: exceptions, refused resources, errors in its console. */
  readonly complaints: string[] = [];
  /** Every URL that it asked for. */
  readonly requests: string[] = [];
  readonly close: () => Promise<void>;
  readonly #send: Send;

  constructor(send: Send, close: () => Promise<void>) {
    this.#send = send;
    this.close = close;
  }

  async begin(url: string, look: Look): Promise<void> {
    for (const domain of ["Page", "Runtime", "Log", "Network"])
      await this.#send(`${domain}.enable`);
    await this.look(look);
    await this.#send("Page.navigate", { url });
  }

  async look({ width, height, dark = false, scale = 1 }: Look): Promise<void> {
    const size = { width, height, deviceScaleFactor: scale, mobile: width < 600 };
    await this.#send("Emulation.setDeviceMetricsOverride", size);
    const value = dark ? "dark" : "light";
    const features = [{ name: "prefers-color-scheme", value }];
    await this.#send("Emulation.setEmulatedMedia", { features });
  }

  heard(method: string, params: Record<string, unknown> = {}): void {
    const { request } = params as { request?: { url: string } };
    if (method === "Network.requestWillBeSent" && request) this.requests.push(request.url);
    if (method === "Runtime.exceptionThrown") this.complaints.push(JSON.stringify(params));
    const { entry } = params as { entry?: { level: string; text: string } };
    if (method === "Log.entryAdded" && entry?.level === "error") this.complaints.push(entry.text);
  }

  /** The value of an expression in the page; throws what it throws. */
  async value<T>(expression: string): Promise<T> {
    const options = { expression, returnByValue: true, awaitPromise: true };
    const { result, exceptionDetails } = await this.#send("Runtime.evaluate", options);
    if (exceptionDetails) throw new Error(JSON.stringify(exceptionDetails));
    return (result as { value: T }).value;
  }

  /** What people read of the element; empty when it is not there. */
  text(selector: string): Promise<string> {
    return this.value(`document.querySelector(${JSON.stringify(selector)})?.innerText ?? ""`);
  }

  /** Resolves once the expression is true in the page. */
  async until(expression: string, deadlineMs = 30_000): Promise<void> {
    // While the page loads there may be nothing yet to ask.
    const careful = `(() => { try { return Boolean(${expression}); } catch { return false; } })()`;
    const ask = () => this.value<boolean>(careful);
    await eventually(`the page: ${expression}`, deadlineMs, ask).catch(async (error: Error) => {
      const text = await this.value<string>("document.body.innerText");
      throw new Error(`${error.message}\n${text}\n${this.complaints.join("\n")}`);
    });
  }

  /** The whole page, as PNG. */
  async screenshot(file: string): Promise<void> {
    const options = { format: "png", captureBeyondViewport: false };
    const { data } = await this.#send("Page.captureScreenshot", options);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, Buffer.from(data as string, "base64"));
  }

  async click(selector: string): Promise<void> {
    await this.value(`document.querySelector(${JSON.stringify(selector)}).click()`);
  }

  async type(text: string): Promise<void> {
    await this.#send("Input.insertText", { text });
  }

  async key(key: string): Promise<void> {
    for (const type of ["keyDown", "keyUp"]) {
      await this.#send("Input.dispatchKeyEvent", {
        type,
        key,
        ...(key.length === 1 ? { text: key } : {}),
      });
    }
  }

  async point(x: number, y: number): Promise<void> {
    await this.#send("Input.dispatchMouseEvent", { type: "mouseMoved", x, y });
  }
}
