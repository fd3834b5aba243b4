import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { type ConntrackSettings, conntrackMax, setConntrack } from "./conntrack-settings.ts";

const NONE: ConntrackSettings = {
  maxPerCore: 0,
  min: 0,
  tcpEstablishedTimeoutMs: 0,
  tcpCloseWaitTimeoutMs: 0,
  tcpBeLiberal: false,
  udpTimeoutMs: 0,
  udpStreamTimeoutMs: 0,
};
/** kube-proxy's. */
const DEFAULTS = {
  ...NONE,
  maxPerCore: 32_768,
  min: 131_072,
  tcpEstablishedTimeoutMs: 86_400_000,
  tcpCloseWaitTimeoutMs: 3_600_000,
};

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "portico-conntrack-"));
});
afterEach(() => rm(directory, { recursive: true }));

/** Makes the files, which exist already in a kernel. */
async function present(values: Record<string, number>): Promise<void> {
  for (const [name, value] of Object.entries(values)) {
    await writeFile(join(directory, name), `${value}\n`);
  }
}

async function contentOf(name: string): Promise<number> {
  return Number(await readFile(join(directory, name), "utf8"));
}

const KERNEL = {
  nf_conntrack_max: 65_536,
  nf_conntrack_buckets: 16_384,
  nf_conntrack_tcp_timeout_established: 432_000,
  nf_conntrack_tcp_timeout_close_wait: 60,
  nf_conntrack_tcp_be_liberal: 0,
  nf_conntrack_udp_timeout: 30,
  nf_conntrack_udp_timeout_stream: 120,
};

it.each([
  ["the least of kube-proxy", 2, {}, 262_144],
  ["so many for each CPU", 8, {}, 524_288],
  ["no more than kube-proxy's most", 64, {}, 2_097_152],
  ["as the operator says", 2, { maxPerCore: 1_000, min: 10 }, 4_000],
  ["no limit of ours, whatever the least", 2, { maxPerCore: 0 }, 0],
])("room for two entries a connection: %s", (_, cpus, own, expected) => {
  expect(conntrackMax({ ...DEFAULTS, ...own }, cpus)).toBe(expected);
});

it("raises the limit and the hash table, and sets timeouts", async () => {
  await present(KERNEL);
  const { set, problems } = await setConntrack(DEFAULTS, 2, directory);
  expect(problems).toEqual([]);
  expect(set).toEqual([
    "net.netfilter.nf_conntrack_max = 262144",
    "net.netfilter.nf_conntrack_buckets = 65536",
    "net.netfilter.nf_conntrack_tcp_timeout_established = 86400",
    "net.netfilter.nf_conntrack_tcp_timeout_close_wait = 3600",
  ]);
  expect(await contentOf("nf_conntrack_max")).toBe(262_144);
  expect(await contentOf("nf_conntrack_udp_timeout")).toBe(30);
  expect(await setConntrack(DEFAULTS, 2, directory)).toEqual({ set: [], problems: [] });
});

it("lowers no limit, and leaves alone what is 0", async () => {
  await present({ ...KERNEL, nf_conntrack_max: 1_000_000, nf_conntrack_buckets: 500_000 });
  await setConntrack(DEFAULTS, 2, directory);
  expect(await contentOf("nf_conntrack_max")).toBe(1_000_000);
  expect(await contentOf("nf_conntrack_buckets")).toBe(500_000);
  expect(await setConntrack(NONE, 2, directory)).toEqual({ set: [], problems: [] });
});

it("sets what else can be asked for", async () => {
  await present(KERNEL);
  const own = { tcpBeLiberal: true, udpTimeoutMs: 10_000, udpStreamTimeoutMs: 60_500 };
  const { set } = await setConntrack({ ...NONE, ...own }, 2, directory);
  expect(set).toEqual([
    "net.netfilter.nf_conntrack_tcp_be_liberal = 1",
    "net.netfilter.nf_conntrack_udp_timeout = 10",
    "net.netfilter.nf_conntrack_udp_timeout_stream = 60",
  ]);
});

it("says what cannot be set and what to do, and sets the rest", async () => {
  const { nf_conntrack_tcp_timeout_close_wait: closeWait } = KERNEL;
  await present({ nf_conntrack_tcp_timeout_close_wait: closeWait });
  const { set, problems } = await setConntrack(DEFAULTS, 2, directory);
  expect(set).toEqual(["net.netfilter.nf_conntrack_tcp_timeout_close_wait = 3600"]);
  expect(problems).toHaveLength(3);
  for (const problem of problems) expect(problem).toContain("load the kernel module nf_conntrack");
  expect(problems[0]).toMatch(/^cannot set net.netfilter.nf_conntrack_max to 262144 \(ENOENT/);
});
