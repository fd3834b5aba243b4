// Records of a table → text for operators and golden files: one frontend per line, its backends
// below it, in the given order.

import { settingsText } from "../node/settings-text.ts";
import type { Backend } from "../node/types.ts";
import type { DecodedRecord } from "./decode.ts";

function socketText(address: string, port: number): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}

function backendText(backend: Backend): string {
  const words = [
    socketText(backend.address, backend.port),
    ...(backend.local ? ["local"] : []),
    ...(backend.isPreferred ? ["preferred"] : []),
    ...(backend.weight === undefined ? [] : [`weight ${backend.weight}`]),
  ];
  return `  ${words.join(" ")}\n`;
}

function recordText(record: DecodedRecord): string {
  const name = record.portName === "" ? "" : `:${record.portName}`;
  const affinity = record.affinityTimeoutSeconds;
  const words = [
    `${socketText(record.address, record.port)}/${record.protocol}`,
    record.kind,
    `${record.namespace}/${record.service}${name}`,
    ...(record.list === "local" ? ["local list"] : []),
    ...(affinity > 0 ? [`affinity ${affinity}s`] : []),
    ...settingsText(record.settings),
    ...(record.functionSlot === undefined ? [] : [`function in slot ${record.functionSlot}`]),
    ...(record.backends.length === 0 ? ["(no backend)"] : []),
  ];
  return `${words.join(" ")}\n${record.backends.map(backendText).join("")}`;
}

/** Returns the text, with a newline at the end unless it is empty. */
export function textFromRecords(records: readonly DecodedRecord[]): string {
  return records.map(recordText).join("");
}
