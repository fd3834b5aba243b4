// The functions in service: what Services choose and what a folder has → the plugin with these
// functions linked into it, in Envoy, and then the slots that records name.
//
//   folder or choices change → slots → linked → saved → in Envoy → records name them
//
// A choice that cannot be served has no slot, so balancing applies, and its Service a problem.

import { readFile } from "node:fs/promises";
import { type Linked, link } from "../linker/link.ts";
import { sameData } from "../model/same-data.ts";
import type { FunctionChoice, Problem } from "../model/types.ts";
import type { NodeViewChange } from "../node/node-view.ts";
import { functionText } from "../node/settings-text.ts";
import type { FrontendKey } from "../node/types.ts";
import type { Log } from "../observe/log.ts";
import type { FunctionFailure } from "../wire/function-failures.ts";
import { type FunctionFile, readFunctions } from "./function-folder.ts";
import { type Chosen, failingProblems, functionProblems } from "./function-problems.ts";
import { FunctionSlots, type StoredSlots } from "./function-slots.ts";
import { readSlots, saveSlots } from "./function-slots-file.ts";

interface FunctionsParts {
  /** Undefined: the node takes no functions. */
  folder: string | undefined;
  /** Path of the plugin that takes functions. */
  pluginFile: string;
  /** Path of the file that keeps the slots for the next controller. */
  slotsFile: string;
  log: Log;
  /** Part of ActivePlugin. */
  plugin: { loadFunctions(wasm: Uint8Array): Promise<unknown> };
  /** Called when records have to be encoded again. */
  changed: () => void;
  report: (problems: Problem[]) => void;
}

export class Functions {
  readonly #parts: FunctionsParts;
  #slots = new FunctionSlots();
  #base: Uint8Array = new Uint8Array();
  #files: ReadonlyMap<string, FunctionFile> = new Map();
  /** Modules of the slots, also of files that have changed since. */
  readonly #modules = new Map<string, FunctionFile>();
  readonly #chosen = new Map<FrontendKey, Chosen>();
  /** What is in service: the slot of each choice, by its text. */
  #serving: ReadonlyMap<string, number> = new Map();
  /** What Envoy has. */
  #linked: Linked | undefined;
  /** What was linked last, and of which functions. */
  #last: { of: unknown; linked: Linked } | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(parts: FunctionsParts) {
    this.#parts = parts;
  }

  /** Returns the plugin to begin with; undefined where the node takes no functions. */
  async begin(): Promise<Uint8Array | undefined> {
    const { folder, pluginFile, slotsFile } = this.#parts;
    if (folder === undefined) return undefined;
    this.#base = await readFile(pluginFile);
    const stored = await readSlots(slotsFile);
    this.#files = await readFunctions(folder).catch(() => new Map());
    const isThere = ({ name, version }: StoredSlots["slots"][number]) =>
      this.#files.get(name)?.version === version;
    this.#slots = new FunctionSlots({ ...stored, slots: stored.slots.filter(isThere) });
    const linked = this.#link();
    this.#linked = linked;
    this.#serving = this.#servingBy(linked, this.#slots.stored.slots);
    return linked.wasm;
  }

  /** Returns the slot that a Service's records name; undefined: balancing applies. */
  slotOf(choice: FunctionChoice): number | undefined {
    return this.#serving.get(functionText(choice));
  }

  /** Returns the version of a function that is in service; undefined: balancing applies. */
  versionOf(choice: FunctionChoice): string | undefined {
    const slot = this.slotOf(choice);
    return slot === undefined ? undefined : this.#slots.functions[slot]?.version;
  }

  /** Returns a problem for each Service whose function failed with one of these. */
  problemsOf(failures: readonly FunctionFailure[]): Problem[] {
    return failingProblems([...this.#chosen.values()], (choice) => {
      const slot = this.slotOf(choice);
      const of = slot === undefined ? undefined : this.#linked?.slots[slot];
      if (!of || of.refused) return [];
      const own = failures.filter((failure) => failure.slot === slot);
      return own.flatMap(({ answer }) => of.failureText(answer) ?? []);
    });
  }

  viewChanged({ upserted, removed }: NodeViewChange): void {
    let isOther = false;
    for (const key of removed) if (this.#chosen.delete(key)) isOther = true;
    for (const { key, namespace, service, settings } of upserted) {
      const before = this.#chosen.get(key)?.choice;
      if (sameData(before, settings.pick)) continue;
      isOther = true;
      if (settings.pick === undefined) this.#chosen.delete(key);
      else this.#chosen.set(key, { service: `${namespace}/${service}`, choice: settings.pick });
    }
    if (isOther) void this.update();
  }

  /** A sync has succeeded. */
  synced(): void {
    this.#slots.synced();
  }

  /** Reads the folder again, and brings what is chosen into service. */
  look(): Promise<void> {
    return this.#inTurn(async () => {
      const { folder, log } = this.#parts;
      if (folder === undefined) return;
      try {
        this.#files = await readFunctions(folder);
      } catch (error) {
        // In the middle of a change, or unreadable: what serves stays.
        log.warn({ folder, error: (error as Error).message }, "cannot read the functions");
        return;
      }
      await this.#bringIntoService();
    });
  }

  /** Brings what is chosen into service. */
  update(): Promise<void> {
    return this.#inTurn(() => this.#bringIntoService());
  }

  async #bringIntoService(): Promise<void> {
    const { folder, slotsFile, plugin, log, changed, report } = this.#parts;
    const choices = this.#choices();
    let rejection: string | undefined;
    if (folder !== undefined) {
      const wanted = choices.flatMap((choice) => this.#versionOf(choice) ?? []);
      const before = this.#slots.stored;
      const without = this.#slots.want(wanted);
      if (without.length > 0) log.warn({ without }, "there are more functions than slots");
      const linked = this.#link();
      try {
        if (!sameData(before, this.#slots.stored)) await saveSlots(slotsFile, this.#slots.stored);
        if (linked !== this.#linked) await plugin.loadFunctions(linked.wasm);
        this.#linked = linked;
        const serving = this.#servingBy(linked, wanted);
        const isOther = !sameData([...serving], [...this.#serving]);
        this.#serving = serving;
        if (isOther) log.info({ functions: [...serving.keys()] }, "functions in service");
        if (isOther) changed();
      } catch (error) {
        rejection = (error as Error).message;
        log.warn({ reason: rejection }, "functions rejected; the present ones stay in service");
      }
    }
    report(
      functionProblems({
        chosen: [...this.#chosen.values()],
        folder,
        names: [...this.#files.keys()],
        refusalOf: (choice) => this.#refusalOf(choice, rejection),
        isServing: (choice) => this.#serving.has(functionText(choice)),
      }),
    );
  }

  /** Without repetition. */
  #choices(): FunctionChoice[] {
    return [
      ...new Map(
        [...this.#chosen.values()].map(({ choice }) => [functionText(choice), choice]),
      ).values(),
    ];
  }

  #versionOf(choice: FunctionChoice) {
    const file = this.#files.get(choice.name);
    if (!file) return undefined;
    this.#modules.set(`${choice.name} ${file.version}`, file);
    return { ...choice, version: file.version };
  }

  /** Why a choice is not served as its folder has it; `rejection`: why Envoy has not got it. */
  #refusalOf(choice: FunctionChoice, rejection: string | undefined): string | undefined {
    const wanted = this.#versionOf(choice);
    if (rejection !== undefined) {
      return wanted?.version === this.versionOf(choice) ? undefined : rejection;
    }
    const slot = wanted && this.#slots.slotOf(wanted);
    if (slot === undefined) return wanted && "all slots are in use";
    const refused = this.#linked?.slots[slot]?.refused;
    return (
      refused && `${refused.reason}${refused.line === undefined ? "" : `, at ${refused.line}`}`
    );
  }

  /** Returns the same object while the functions are the same. */
  #link(): Linked {
    const modules = this.#slots.functions.map((of) => {
      const file =
        of && (this.#modules.get(`${of.name} ${of.version}`) ?? this.#files.get(of.name));
      if (!file || file.version !== of.version) return undefined;
      this.#modules.set(`${of.name} ${of.version}`, file);
      return {
        name: of.name,
        version: of.version,
        wasm: file.wasm,
        sourceMap: file.sourceMap,
        parameters: of.parameters,
      };
    });
    const used = new Set(this.#slots.functions.map((of) => of && `${of.name} ${of.version}`));
    for (const key of this.#modules.keys()) if (!used.has(key)) this.#modules.delete(key);
    // Which bytes they are, their versions say.
    const linkedOf = modules.map((each) => each && { ...each, wasm: undefined });
    if (!this.#last || !sameData(linkedOf, this.#last.of)) {
      this.#last = { of: linkedOf, linked: link(this.#base, modules) };
    }
    return this.#last.linked;
  }

  #servingBy(linked: Linked, wanted: readonly (FunctionChoice & { version: string })[]) {
    const serving = new Map<string, number>();
    for (const each of wanted) {
      const slot = this.#slots.slotOf(each);
      const of = slot === undefined ? undefined : linked.slots[slot];
      if (slot !== undefined && of && !of.refused) serving.set(functionText(each), slot);
    }
    return serving;
  }

  #inTurn<T>(act: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(act);
    this.#turn = turn.catch(() => {});
    return turn;
  }
}
