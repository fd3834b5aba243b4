import { NodeViewRunner } from "./node-view.ts";
import { runCases } from "./run.ts";

runCases("the node view", () => new NodeViewRunner());
