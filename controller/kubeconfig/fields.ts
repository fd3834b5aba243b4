// One entry of a kubeconfig (a cluster, a user, a context), read field by field. Types are as
// strict as Go's JSON decoding: a number is not a text. Absent, null and Go's zero value are the
// same.

import { recordOf, shown } from "../model/json.ts";

export class Fields {
  readonly problems: string[];
  readonly #path: string;
  readonly #values: Readonly<Record<string, unknown>>;

  /** `path` is for messages: `users "admin"`. `problems` receives what is wrong. */
  constructor(path: string, json: unknown, problems: string[]) {
    this.#path = path;
    this.#values = recordOf(json);
    this.problems = problems;
    const isObject = typeof json === "object" && !Array.isArray(json);
    if (json !== undefined && !isObject) this.#wrong("", json, "an object");
  }

  /** Empty when absent. */
  text(name: string): string {
    const value = this.#values[name] ?? "";
    if (typeof value === "string") return value;
    return this.#wrong(name, value, "a text: put it in quotes") ?? "";
  }

  /** False when absent. */
  flag(name: string): boolean {
    const value = this.#values[name] ?? false;
    if (typeof value === "boolean") return value;
    return this.#wrong(name, value, "true or false") ?? false;
  }

  /** Decoded base64; empty when absent. */
  data(name: string): string {
    const value = this.text(name).replace(/[\r\n]/g, "");
    const isBase64 = value.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(value);
    if (isBase64) return Buffer.from(value, "base64").toString("utf8");
    this.problems.push(`${this.#path}: ${name} is not base64`);
    return "";
  }

  /** Empty when absent. */
  texts(name: string): string[] {
    const value = this.#values[name] ?? [];
    if (Array.isArray(value) && value.every((each) => typeof each === "string")) return value;
    return this.#wrong(name, value, "a list of texts") ?? [];
  }

  /** Undefined when absent. */
  section(name: string): Fields | undefined {
    const value = this.#values[name] ?? undefined;
    if (value === undefined) return undefined;
    return new Fields(`${this.#path}: ${name}`, value, this.problems);
  }

  /** Empty when absent. */
  sections(name: string): Fields[] {
    const value = this.#values[name] ?? [];
    if (!Array.isArray(value)) return this.#wrong(name, value, "a list") ?? [];
    return value.map((each, index) => {
      return new Fields(`${this.#path}: ${name}[${index}]`, each, this.problems);
    });
  }

  /** The names of the present fields. */
  get names(): string[] {
    return Object.keys(this.#values);
  }

  /** The raw value from the file. */
  raw(name: string): unknown {
    return this.#values[name];
  }

  problem(message: string): void {
    this.problems.push(`${this.#path}: ${message}`);
  }

  #wrong(name: string, value: unknown, expected: string): undefined {
    const what = name === "" ? "it" : name;
    // Never show the value of a secret, and any field may be one.
    const given = typeof value === "object" ? shown(value) : `a ${typeof value}`;
    this.problem(`${what} is ${given}; it must be ${expected}`);
  }
}
