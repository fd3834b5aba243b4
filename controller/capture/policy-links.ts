// Makes, inspects and removes the links of policy-link.ts in the kernel of this node. For apply.ts,
// whose `ip` it runs.

import { readFile, writeFile } from "node:fs/promises";
import type { IPFamily } from "../model/types.ts";
import { unlessShort } from "../system/shortage.ts";
import { RoutingError } from "./errors.ts";
import type { CaptureOptions } from "./options.ts";
import {
  forwardingFrom,
  IN_LINK,
  linkChanges,
  linkNames,
  SHOW_FORWARDING,
  SHOW_LINKS,
} from "./policy-link.ts";

const SETTING = `/proc/sys/net/ipv4/conf/${IN_LINK}/rp_filter`;
const SETTING_OF_ALL = "/proc/sys/net/ipv4/conf/all/rp_filter";
const LOOSE = "2";
const STRICT = "1";

/** Runs `ip` with these arguments and this input; rejects with RoutingError. */
type RunIp = (args: readonly string[], lines?: string) => Promise<string>;

export class PolicyLinks {
  readonly #options: Pick<CaptureOptions, "policyHook" | "families">;
  readonly #ip: RunIp;
  readonly #looseReversePath: () => Promise<boolean>;
  /** Whether the reverse path filter of the links that are there is loose. */
  #isLoose = false;

  constructor(
    options: Pick<CaptureOptions, "policyHook" | "families">,
    ip: RunIp,
    looseReversePath: () => Promise<boolean>,
  ) {
    this.#options = options;
    this.#ip = ip;
    this.#looseReversePath = looseReversePath;
  }

  get areWanted(): boolean {
    return this.#options.policyHook === "forward";
  }

  /** Makes or removes the links, as wanted. Returns what differed, as lines of `ip`. */
  async mend(): Promise<string[]> {
    const lines = await this.differences();
    if (lines.length > 0) this.#isLoose = false;
    await this.#apply(lines);
    return lines;
  }

  /** Returns lines for `ip -batch` that would make the links as wanted; none if nothing differs. */
  async differences(): Promise<string[]> {
    const printed = await this.#ip(SHOW_LINKS);
    return linkChanges(printed, this.areWanted, this.#options.families);
  }

  /** Returns the families whose packets the node forwards from the links. */
  async forwarding(): Promise<IPFamily[]> {
    if (!this.areWanted) return [];
    // It fails while the link is not there.
    const printed = await this.#ip(SHOW_FORWARDING).catch(orNothing);
    const families = forwardingFrom(printed);
    if (!this.#isLoose && families.length > 0) this.#isLoose = await this.#looseReversePath();
    return families.filter(
      (family) => this.#options.families.includes(family) && (family !== "IPv4" || this.#isLoose),
    );
  }

  /** Returns what was there, as operators would type it. */
  async remove(): Promise<string[]> {
    const printed = await this.#ip(SHOW_LINKS);
    await this.#apply(linkChanges(printed, false, this.#options.families));
    return linkNames(printed).map((name) => `ip link ${name}`);
  }

  async #apply(lines: readonly string[]): Promise<void> {
    if (lines.length > 0) await this.#ip(["-batch", "-"], `${lines.join("\n")}\n`);
  }
}

function orNothing(error: Error): string {
  if (error instanceof RoutingError && error.code === "refused") return "";
  throw error;
}

/**
 * Makes the second link accept packets whatever the route back to their sender is. False when the
 * kernel is set to drop them and that cannot be changed: in a container whose /proc/sys is
 * read-only.
 */
export async function looseReversePath(): Promise<boolean> {
  const read = async (file: string) => (await readFile(file, "utf8").catch(unlessShort(""))).trim();
  if ((await read(SETTING)) === LOOSE) return true;
  const isSet = await writeFile(SETTING, LOOSE).then(
    () => true,
    () => false,
  );
  if (isSet) return true;
  const values = await Promise.all([SETTING, SETTING_OF_ALL].map(read));
  return values[0] !== "" && !values.includes(STRICT);
}
