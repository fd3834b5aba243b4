// Options → the chains of Portico's table, which are constant: what changes are the elements of the
// sets that they ask (elements.ts). Pure.

import type { UdpListenerKind, Verdict } from "../node/types.ts";
import { bridgeChains, masqueradeUnseen } from "./bridge.ts";
import { toRedirect } from "./bridge-redirect.ts";
import { type Family, familiesOf } from "./families.ts";
import { detectedFamilies, type LocalDetector } from "./local-detector.ts";
import type { CaptureOptions } from "./options.ts";
import { AFTER_FILTERS, IS_TRANSLATED, translated, untranslated } from "./other-proxies.ts";
import { captured, isNotCaptured, isOfOthers, isOfPortico, OTHERS, toOthers } from "./others.ts";
import { errorsAboutAnswers, learntPathMTU } from "./path-mtu.ts";
import { lateReplies, strangersAnswers, toUdpListener, udpChains } from "./udp.ts";
import { UPSTREAM_ZONE } from "./upstream-zone.ts";

/**
 * What another program does not want tracked is none of Portico's: NodeLocal DNSCache has the
 * address of the cluster's DNS on the node, and answers there.
 */
const UNTRACKED = "ct state untracked accept";
const IS_SYN = "tcp flags & (fin | syn | rst | ack) == syn";
/** After firewalls, which may want to see the mark. */
const LAST_IN_INPUT = 300;

export function chains(options: CaptureOptions): string[] {
  return [...handOvers(options), ...verdicts(options), ...hooks(options)];
}

/** To one of Envoy's listeners, by what it does with the source address and which list it uses. */
function handOvers(options: CaptureOptions): string[] {
  return [
    ...chain("deliver", [`meta mark set meta mark or ${bit(options)} accept`]),
    ...udpChains(options).flatMap(([name, rules]) => chain(name, rules)),
    ...handOver("keep", options.keepPort, options),
    ...handOver("masquerade", options.masqueradePort, options),
    ...handOver("local", options.localPort, options),
  ];
}

/**
 * When Envoy listens nowhere `tproxy` does not match, and the next rule drops: clients repeat a SYN
 * that was dropped, but give up when it is reset. UDP frontends have their own listeners (udp.ts).
 */
function handOver(kind: UdpListenerKind, port: number, options: CaptureOptions): string[] {
  const tproxies = familiesOf(options.families).map(({ header, loopback }) => {
    const mark = `meta mark set meta mark or ${bit(options)}`;
    // nft 1.0.6 wants the protocol in the same rule when the chain is reached through a map.
    return `meta l4proto tcp tproxy ${header} to ${loopback}:${port} ${mark} accept`;
  });
  const rest = [...tproxies, toUdpListener(kind), "drop"];
  return chain(`to_${kind}`, [...toRedirect(kind, options), ...rest]);
}

/** Where the elements of the map of frontends lead, by their verdict. */
function verdicts(options: CaptureOptions): string[] {
  const fromHost = "fib saddr type local goto to_masquerade";
  const localPods = ifLocalPod(options).map((condition) => `${condition} goto to_keep`);
  const rules: Record<Verdict, readonly string[]> = {
    keep: keepRules(options),
    masquerade: ["goto to_masquerade"],
    local: [...localPods, fromHost, "goto to_local"],
    "short-circuit": [...localPods, fromHost, "drop"],
    // A reset and not an ICMP error where TCP allows: the kernel sends at most one ICMP error a
    // second to one client, and a refused connect would then take seconds to be refused.
    refuse: ["meta l4proto tcp reject with tcp reset", "reject"],
    drop: ["drop"],
  };
  return Object.entries(rules).flatMap(([verdict, each]) => chain(`verdict_${verdict}`, each));
}

/**
 * As kube-proxy does for cluster IPs: clients that are no Pods of this node are masqueraded, since
 * replies might not come back through it; but only where such Pods can be told from others.
 */
function keepRules(options: CaptureOptions): string[] {
  if (options.masqueradeAll) return ["goto to_masquerade"];
  const detected = detectedFamilies(options.localDetector, options.families);
  if (detected.length === 0) return ["goto to_keep"];
  const undetected = familiesOf(options.families.filter((each) => !detected.includes(each)));
  return [
    ...ifLocalPod(options).map((condition) => `${condition} goto to_keep`),
    ...undetected.map(({ nfproto }) => `meta nfproto ${nfproto} goto to_keep`),
    "goto to_masquerade",
  ];
}

/** Conditions, any of which says that a packet comes from a Pod of this node; none: no telling. */
function ifLocalPod(options: CaptureOptions): string[] {
  const detector = options.localDetector;
  if (detector.kind === "none") return [];
  if (detector.kind === "bridge") return [`iifname "${detector.name}"`];
  if (detector.kind === "prefix") return [`iifname "${detector.prefix}*"`];
  return familiesOf(detectedFamilies(detector, options.families)).map((family) => {
    return `${family.header} saddr { ${cidrsOf(detector, family).join(", ")} }`;
  });
}

function cidrsOf(detector: LocalDetector & { kind: "cidrs" }, { family }: Family): string[] {
  return detector.cidrs.filter((cidr) => cidr.includes(":") === (family === "IPv6"));
}

function hooks(options: CaptureOptions): string[] {
  return [
    ...chain("from_frontend", fromFrontend(options)),
    ...chain("others", OTHERS),
    ...chain("translated", translated(options)),
    ...chain("capture", [
      "type filter hook prerouting priority mangle; policy accept;",
      UNTRACKED,
      `ct direction reply ${isOurs(options)} goto deliver`,
      "ct direction reply accept",
      `${IS_TRANSLATED} goto translated`,
      `${IS_SYN} goto from_frontend`,
      "meta l4proto tcp socket transparent 1 socket wildcard 0 goto deliver",
      // ICMP errors about what Envoy sent to a client: the kernel looks into them for the socket.
      // Not "meta l4proto tcp", as in the kernel's documentation: ICMP errors would not match, and
      // TCP would not learn its path MTU (test/real/path-mtu.test.ts).
      "ct state related socket transparent 1 socket wildcard 0 goto deliver",
      ...errorsAboutAnswers(options),
      ...toOthers(options),
      "goto from_frontend",
    ]),
    ...bridgeChains(options).flatMap(([name, rules]) => chain(name, rules)),
    ...chain("untranslated", untranslated(options)),
    ...chain("from_envoy", fromEnvoy(options)),
    ...chain("from_host", fromHost(options)),
    ...chain("turn_round", [`ct mark set ct mark or ${bit(options)} goto deliver`]),
    ...chain("own_zone", UPSTREAM_ZONE),
    ...chain("replies", replies(options)),
    ...chain("host", host(options)),
    ...chain("delivered", delivered(options)),
    ...chain("hairpin", [
      "type nat hook postrouting priority srcnat; policy accept;",
      ...familiesOf(options.families).map(
        ({ header, suffix }) =>
          `${isOurs(options)} ${header} saddr . ${header} daddr @own_backends_${suffix} masquerade`,
      ),
      ...masqueradeUnseen(options),
    ]),
  ];
}

/** Packets that belong to no connection yet, and those that Portico has nothing to do with. */
function fromFrontend(options: CaptureOptions): string[] {
  const families = familiesOf(options.families);
  const inFamilies = (rule: (family: Family) => string) => families.map(rule);
  return [
    // What connection tracking takes for invalid has no mark to ask for.
    `ct state invalid ${isFromEnvoy(options)} accept`,
    `${isFromEnvoy(options)} ${isNotCaptured(options)} accept`,
    ...inFamilies((family) => `ct state new ${isKeptOut(family)} drop`),
    ...inFamilies(({ header, suffix }) => `${frontendOf(header)} vmap @frontends_${suffix}`),
    // How neighbours find each other is nobody's Service.
    ...families
      .filter(({ family }) => family === "IPv6")
      .map(
        () =>
          "icmpv6 type { nd-router-solicit, nd-router-advert, nd-neighbor-solicit, " +
          "nd-neighbor-advert, nd-redirect } accept",
      ),
    ...inFamilies(
      ({ header, suffix }) => `${header} daddr @cluster_ips_${suffix} goto verdict_refuse`,
    ),
    ...inFamilies(({ header, suffix }) => `${header} daddr @service_cidrs_${suffix} drop`),
    // Envoy's own ports, bound to every address: they are for TPROXY, nobody dials them.
    `tcp dport ${capturePorts(options)} fib daddr type local goto verdict_refuse`,
  ];
}

/**
 * A backend that is a cluster IP is refused, as kube-proxy does after it has translated; one that
 * is another front door is whoever has that address.
 */
function fromEnvoy({ families }: CaptureOptions): string[] {
  return [
    ...familiesOf(families).flatMap(({ header, suffix }) => [
      `${header} daddr @cluster_ips_${suffix} goto verdict_refuse`,
      `${header} daddr @service_cidrs_${suffix} drop`,
    ]),
    "accept",
  ];
}

/**
 * What host processes begin to send to others. To a Service's address it turns round on lo, to come
 * by as everybody's. What is no TCP is refused here where it will be: there the kernel would tell
 * the sender from the Service's address, which the host does not have, and so not at all.
 */
function fromHost({ families }: CaptureOptions): string[] {
  return familiesOf(families).flatMap((family) => {
    const { header, suffix } = family;
    return [
      `ct state new ${isKeptOut(family)} drop`,
      `meta l4proto udp ${header} daddr . udp dport vmap @host_udp_${suffix}`,
      `meta l4proto != tcp ${header} daddr @cluster_ips_${suffix} goto verdict_refuse`,
      `${frontendOf(header)} @external_${suffix} goto turn_round`,
      `${header} daddr @cluster_ips_${suffix} goto turn_round`,
      `${header} daddr @service_cidrs_${suffix} goto turn_round`,
    ];
  });
}

/** What leaves Envoy's sockets. */
function replies(options: CaptureOptions): string[] {
  return [
    "type route hook output priority mangle; policy accept;",
    UNTRACKED,
    ...lateReplies(options),
    `ct direction reply ${isOurs(options)} goto deliver`,
    "ct direction original ct state new meta l4proto { tcp, udp } fib saddr type != local " +
      `ct mark set ct mark or ${bit(options)}`,
    `ct direction original ct state new ${isFromEnvoy(options)} goto from_envoy`,
  ];
}

/**
 * What leaves the sockets of others. A connection of the host's that began by turning round goes
 * on so, whatever becomes of its frontend; datagrams have no connections to go on.
 */
function host(options: CaptureOptions): string[] {
  const leaves = 'oif != "lo" ct direction original';
  return [
    `type route hook output priority ${AFTER_FILTERS}; policy accept;`,
    UNTRACKED,
    `${isFromEnvoy(options)} accept`,
    `${leaves} ${isOfOthers(options)} accept`,
    `${leaves} meta l4proto udp goto from_host`,
    `${leaves} ${isOfPortico(options)} fib saddr type local goto deliver`,
    `${leaves} ct state new goto from_host`,
  ];
}

/** Whether it is for a frontend that is open to others only. */
function isKeptOut({ header, suffix }: Family): string {
  const source = `${frontendOf(header)} . ${header} saddr`;
  return `${frontendOf(header)} @restricted_${suffix} ${source} != @allowed_sources_${suffix}`;
}

function delivered(options: CaptureOptions): string[] {
  const others = `0x${(~(options.markBit | options.envoyMarkBit) >>> 0).toString(16)}`;
  const isMarked = `meta mark and ${bit(options)}`;
  return [
    `type filter hook input priority ${LAST_IN_INPUT}; policy accept;`,
    // Envoy's capture ports are for captured connections only.
    `tcp dport ${capturePorts(options)} ct direction original ` +
      `${isMarked} != ${bit(options)} reject with tcp reset`,
    `tcp dport ${capturePorts(options)} ct state untracked ${IS_SYN} reject with tcp reset`,
    UNTRACKED,
    strangersAnswers(options),
    ...learntPathMTU(options, isOurs(options)),
    `${isMarked} == ${bit(options)} ct direction original ${captured(options)}`,
    // A routed packet needs its marks no longer. Left on it, the sysctl tcp_fwmark_accept would
    // give them to sockets, whose own packets would then be taken for captured ones, or Envoy's.
    `${isMarked} == ${bit(options)} meta mark set meta mark and ${others}`,
    `${isFromEnvoy(options)} meta mark set meta mark and ${others}`,
  ];
}

/** The key of the sets of frontends. */
function frontendOf(header: Family["header"]): string {
  return `${header} daddr . meta l4proto . th dport`;
}

function capturePorts(options: CaptureOptions): string {
  const { keepPort, masqueradePort, localPort, redirectPorts, otherCapturePorts } = options;
  const redirected = redirectPorts ? Object.values(redirectPorts) : [];
  const own = [keepPort, masqueradePort, localPort, ...redirected];
  return `{ ${[...own, ...otherCapturePorts].join(", ")} }`;
}

/** A connection of Envoy's with somebody else's address as its source, or one that it answers. */
function isOurs(options: CaptureOptions): string {
  return `ct mark and ${bit(options)} == ${bit(options)}`;
}

/** Of a connection to a backend. */
function isFromEnvoy({ envoyMarkBit }: CaptureOptions): string {
  const text = `0x${envoyMarkBit.toString(16)}`;
  return `meta mark and ${text} == ${text}`;
}

function chain(name: string, rules: readonly string[]): string[] {
  return [`  chain ${name} {`, ...rules.map((rule) => `    ${rule}`), "  }"];
}

function bit(options: CaptureOptions): string {
  return `0x${options.markBit.toString(16)}`;
}
