// --tcp-early-demux-file, of `portico run` and of `portico cleanup`.

import { Option } from "commander";
import { EARLY_DEMUX_FILE } from "../capture/early-demux.ts";

/** Returns the flag; its default is the file of this machine's sysctl. */
export function earlyDemuxOption(): Option {
  return new Option(
    "--tcp-early-demux-file <file>",
    "file of the sysctl net.ipv4.tcp_early_demux; in a container, whose /proc/sys is " +
      "read-only, a mount of the host's file",
  ).default(EARLY_DEMUX_FILE);
}
