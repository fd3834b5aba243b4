// Before any test on the real thing: what it needs of the machine is there, or is brought here. A
// test run that cannot have it ends with the reason, and passes nothing.

import { findEnvoy } from "../../envoy/find.ts";
import { preparePrerequisites } from "../demo/prerequisites.ts";

export default async function prepare(): Promise<void> {
  await preparePrerequisites(console.log);
  process.env.ENVOY = await findEnvoy(process.env, console.log);
}
