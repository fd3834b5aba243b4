// The flags for what applies to Services whose annotations say nothing else → FrontendSettings.

import { type Command, Option } from "commander";
import { DEFAULT_SETTINGS } from "../node/frontend-settings.ts";
import type { FrontendSettings } from "../node/types.ts";

export interface ServiceDefaultFlags {
  ejection: "on" | "off";
}

/** Adds the flags of ServiceDefaultFlags. */
export function addServiceDefaults(command: Command): void {
  command.addOption(
    new Option(
      "--ejection <on|off>",
      "whether new connections leave a backend alone for a while that fails; a Service's " +
        "annotation portico.dev/ejection overrides it",
    )
      .choices(["on", "off"])
      .default(DEFAULT_SETTINGS.ejection ? "on" : "off"),
  );
}

/** Returns what the flags mean; the rest as in DEFAULT_SETTINGS. */
export function serviceDefaultsFromFlags({ ejection }: ServiceDefaultFlags): FrontendSettings {
  return { ...DEFAULT_SETTINGS, ejection: ejection === "on" };
}
