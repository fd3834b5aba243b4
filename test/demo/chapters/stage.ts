// What every chapter is given: the store, the Portico that serves it, somebody to tell it to.

import type { Narrator } from "../narrator.ts";
import type { Portico } from "../portico.ts";
import type { Store } from "../store.ts";
import type { Workspace } from "../workspace.ts";

export interface Stage {
  tell: Narrator;
  store: Store;
  portico: Portico;
  workspace: Workspace;
}

/**
 * Tells a part of the story and checks it. What is not as told is a failed check, and the story
 * goes on; throws when it cannot. Leaves the store as the next chapter wants it: three Pods of
 * orders-api.
 */
export type Chapter = (stage: Stage) => Promise<void>;
