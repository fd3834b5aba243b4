// --tcp-early-demux-file, of `portico run` and of `portico cleanup`.

import { Option } from "commander";
import { EARLY_DEMUX_FILE } from "../capture/early-demux.ts";

export function earlyDemuxOption(): Option {
  return new Option(
    "--tcp-early-demux-file <file>",
    "where the sysctl net.ipv4.tcp_early_demux is set; in a container, whose /proc/sys is " +
      "read-only, a mount of that file of the host's",
  ).default(EARLY_DEMUX_FILE);
}
