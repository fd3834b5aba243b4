import { expect, it } from "vitest";
import { DEFAULT_CAPTURE_OPTIONS } from "../capture/options.ts";
import { missingFeatures } from "./features.ts";
import type { Machine } from "./machine.ts";

/** A machine that refuses scripts with `text` in them; it may make namespaces or not. */
function machine(text: string, mayUnshare = true): Machine {
  const nothing = async () => undefined;
  return {
    run: async (program, args, input = "") => {
      if (program === "unshare" && !mayUnshare) return printed(1, "unshare: unshare failed: no");
      const script = args.includes("ip") ? args.join(" ") : input;
      return script.includes(text) ? printed(1, "Error: No such file\n^^^\n") : printed(0, "");
    },
    file: nothing,
    names: async () => [],
    link: nothing,
    get: nothing,
  };
}

function printed(code: number, stderr: string) {
  return { code, stdout: "", stderr };
}

async function missing(...which: Parameters<typeof machine>): Promise<string[]> {
  const found = await missingFeatures(machine(...which), DEFAULT_CAPTURE_OPTIONS);
  return found.map(({ module, said }) => `${module}: ${said}`);
}

it("finds nothing missing where everything is taken", async () => {
  expect(await missing("what is in no script")).toEqual([]);
});

it("names the one feature that is refused, with what nft said", async () => {
  const said = "Error: No such file";
  expect(await missing("tproxy")).toEqual([`nft_tproxy: ${said}`]);
  expect(await missing("socket")).toEqual([`nft_socket: ${said}`]);
  expect(await missing("masquerade")).toEqual([`nft_masq: ${said}`]);
  expect(await missing("zone set", false)).toHaveLength(1);
  expect(await missing("rule add fwmark")).toEqual([`CONFIG_IP_MULTIPLE_TABLES: ${said}`]);
});

it("says so when it is only the whole that is refused", async () => {
  expect(await missing("vmap")).toEqual(["nf_tables: Error: No such file"]);
});

it("leaves routing untried where no namespace can be thrown away", async () => {
  expect(await missing("rule add fwmark", false)).toEqual([]);
});
