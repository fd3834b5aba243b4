// Envoy's log. The message is the text assembled in text.ts.

import { proxy_log } from "../abi/env";
import { now } from "./clock";
import { addNumber, addText, textBytes, textSize } from "./text";

const ONE_SECOND: u64 = 1000000000;
let lastTime: u64 = 0;
let suppressed: u64 = 0;

/** Logs the assembled text, at a LOG_ level. */
export function log(level: u32): void {
  proxy_log(level, textBytes(), textSize());
}

/** For what every connection can cause: at most one line per second and VM. */
export function logRarely(level: u32): void {
  const time = now();
  if (time - lastTime < ONE_SECOND) {
    suppressed++;
    return;
  }
  if (suppressed > 0) {
    addText(" (and ");
    addNumber(suppressed);
    addText(" such messages left out)");
  }
  lastTime = time;
  suppressed = 0;
  log(level);
}
