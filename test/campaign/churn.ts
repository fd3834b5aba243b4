// A seed → changes of the model, one after the other, for as long as it is asked. Pure but for the
// model, which it changes.

import type { Chance } from "../parity/chance.ts";
import type { PodName } from "../parity/lab.ts";
import { BACKENDS, FLEETING, type Model, type ModelService } from "./model.ts";

/** Changes one Service; returns it as it is now. */
export function changeModel(model: Model, chance: Chance): ModelService {
  const kind = chance.pick(["roll", "roll", "policy", "fleeting", "fleeting"]);
  if (kind === "roll") return put(model, "rolling", { backends: someBackends(chance) });
  if (kind === "policy") {
    return put(model, "policy", { isLocal: model.get("policy")?.isLocal !== true });
  }
  const name = chance.pick(FLEETING);
  const exists = model.get(name)?.exists !== true;
  return put(model, name, exists ? { exists, backends: someBackends(chance) } : { exists });
}

/** One at least, in their order. */
function someBackends(chance: Chance): PodName[] {
  const some = chance.some(BACKENDS, chance.between(1, BACKENDS.length));
  return BACKENDS.filter((pod) => some.includes(pod));
}

function put(model: Model, name: string, change: Partial<ModelService>): ModelService {
  const before = model.get(name);
  if (before === undefined) throw new Error(`the model has no Service ${name}`);
  const after = { ...before, ...change };
  model.set(name, after);
  return after;
}
