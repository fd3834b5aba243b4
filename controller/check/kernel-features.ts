// Facts → whether nft and the kernel can do what Portico's rules need. Pure.

import type { NodeFacts } from "./facts.ts";
import type { Finding } from "./finding.ts";

/** The oldest that Portico is tested with. */
const OLDEST_NFT = [1, 0, 6];

/**
 * Reports a missing or old nft, a missing ip, rules that the kernel refuses, and IPv6 where it is
 * off.
 */
export function kernelFeatureFindings(facts: NodeFacts): Finding[] {
  return [...nftFindings(facts), ...featureFindings(facts), ...familyFindings(facts)];
}

function nftFindings({ nft, links }: NodeFacts): Finding[] {
  const programs: Finding[] = [];
  if (nft === undefined) programs.push(missing("nft", "nftables"));
  else if (isOlder(nft.version)) {
    programs.push({
      level: "warning",
      what: "nft is older than the tested versions",
      seen: nft.version,
      todo: `install ${OLDEST_NFT.join(".")} or newer`,
      show: "nft --version",
    });
  }
  if (links === undefined) programs.push(missing("ip", "iproute2"));
  return programs;
}

function missing(program: string, packageName: string): Finding {
  return {
    level: "blocker",
    what: `cannot run ${program}`,
    seen: "not on PATH, or not permitted",
    todo: `install it (Debian: apt install ${packageName}), and run this as root`,
    show: `${program} ${program === "nft" ? "list tables" : "link"}`,
  };
}

/** Reports false for a version that it cannot parse. */
function isOlder(version: string): boolean {
  const numbers = version.split(".").map(Number);
  for (const [index, least] of OLDEST_NFT.entries()) {
    const number = numbers[index] ?? 0;
    if (number !== least) return number < least;
  }
  return false;
}

function featureFindings({ nft, missingFeatures }: NodeFacts): Finding[] {
  if (nft === undefined) return [];
  if (missingFeatures.length === 0) {
    const what = "the kernel accepts Portico's rules";
    const seen = `all of them, with nft ${nft.version || "of an unknown version"}`;
    return [{ level: "ok", what, seen, todo: "", show: "nft --version; uname -r" }];
  }
  return missingFeatures.map(({ name, module, said }) => ({
    level: "blocker",
    what: `the kernel or nft lacks ${name}`,
    seen: said,
    todo: `load it (modprobe ${module}), or use a kernel that has it`,
    show: `modinfo ${module}`,
  }));
}

function familyFindings({ families }: NodeFacts): Finding[] {
  if (families.includes("IPv6")) return [];
  return [
    {
      level: "note",
      what: "IPv6 is disabled in the kernel, so Portico serves only IPv4",
      seen: "net.ipv6.conf.lo.disable_ipv6 is not 0",
      todo: "enable it if the cluster has IPv6 Services",
      show: "sysctl net.ipv6.conf.lo.disable_ipv6",
    },
  ];
}
