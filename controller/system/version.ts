// The version of Portico, from the package it was installed as.

import packageJson from "../../package.json" with { type: "json" };

export const PORTICO_VERSION: string = packageJson.version;
