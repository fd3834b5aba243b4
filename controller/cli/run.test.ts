import { expect, it } from "vitest";
import { runCommand } from "./run.ts";

/** Returns what is wrong with the flags. If nothing is, the kubeconfig keeps it from running. */
async function complaint(...args: string[]): Promise<string> {
  const command = runCommand().exitOverride();
  command.configureOutput({ writeErr: () => {} });
  return command.parseAsync(["--kubeconfig", "/nowhere", ...args], { from: "user" }).then(
    () => "",
    (error: Error) => error.message,
  );
}

it("takes no routing table that is the kernel's own", async () => {
  for (const table of ["253", "254", "255"]) {
    expect(await complaint("--route-table", table)).toMatch(/is the kernel's own; give another/);
  }
  expect(await complaint("--route-table", "4294967296")).toMatch(/from 1 to 4294967294/);
});

it("takes no bit of marks that has another meaning already", async () => {
  for (const bit of ["4", "5", "6"]) {
    expect(await complaint("--mark-bit", bit)).toMatch(
      /^Portico uses bit \d of packet marks .*such as 12$/,
    );
  }
  expect(await complaint("--mark-bit", "7")).not.toMatch(/packet marks/);
});

it("takes no sync period of nothing, nor one shorter than the least time between two", async () => {
  expect(await complaint("--sync-period", "0s")).toMatch(/more than 0/);
  const both = await complaint("--sync-period", "1s", "--min-sync-period", "2s");
  expect(both).toMatch(/--min-sync-period 2s is longer than --sync-period 1s/);
});

it("shows defaults as they are typed", () => {
  const help = runCommand().helpInformation().replaceAll(/\s+/g, " ");
  expect(help).toContain("(default: 15401,15402,15403,15404)");
  expect(help).toContain("(default: 5ms)");
  expect(help).toContain("(default: 30s)");
  expect(help).not.toContain("[]");
});
