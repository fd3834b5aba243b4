import { NodeViewRunner } from "./node-view.ts";
import { runCases } from "./run.ts";

runCases("node view", "the node view", () => new NodeViewRunner());
