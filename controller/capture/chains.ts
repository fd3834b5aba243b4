// Options → the chains of Portico's table. They are constant: only the elements of the sets that
// they look up change (elements.ts). Pure.

import { type ListenerKind, VERDICTS } from "../node/hand-over.ts";
import { bridgeChains, masqueradeUnseen } from "./bridge.ts";
import { toRedirect } from "./bridge-redirect.ts";
import { type Family, familiesOf } from "./families.ts";
import { masqueraded, masqueradedReplies } from "./masquerade.ts";
import type { CaptureOptions } from "./options.ts";
import { AFTER_FILTERS, IS_TRANSLATED, translated, untranslated } from "./other-proxies.ts";
import { captured, isNotCaptured, isOfOthers, isOfPortico, OTHERS, toOthers } from "./others.ts";
import { errorsAboutAnswers, learntPathMTU } from "./path-mtu.ts";
import { answered, fromForward, policyChains, toForward } from "./policy-hook.ts";
import { hasBits, hex, IS_SYN } from "./rule-text.ts";
import { lateReplies, strangersAnswers, toUdpListener, udpChains } from "./udp.ts";
import { shownFrontends, toListenersAgain } from "./udp-shown.ts";
import { AFTER_NOTRACK, UPSTREAM_ZONE } from "./upstream-zone.ts";
import { verdictRules } from "./verdict-rules.ts";

/**
 * Portico leaves alone what another program excludes from tracking: NodeLocal DNSCache has the
 * address of the cluster's DNS on the node, and answers there.
 */
const UNTRACKED = "ct state untracked accept";
/** After firewalls, which may want to see the mark. */
const LAST_IN_INPUT = 300;

/**
 * Returns the lines of all chains, for the body of the table. The same options give the same lines.
 */
export function chains(options: CaptureOptions): string[] {
  return [...handOvers(options), ...verdicts(options), ...hooks(options)];
}

/** A chain for each of Envoy's listeners, by its source address and the list that it uses. */
function handOvers(options: CaptureOptions): string[] {
  return [
    ...chain("deliver", [`meta mark set meta mark or ${bit(options)} accept`]),
    ...udpChains(options).flatMap(([name, rules]) => chain(name, rules)),
    ...handOver("keep", options.keepPort, options),
    ...handOver("masquerade", options.masqueradePort, options),
    ...handOver("local", options.localPort, options),
    ...chain("to_host", [...tproxies(options.hostPort, options), "drop"]),
  ];
}

/**
 * `tproxy` does not match when Envoy does not listen, and the next rule drops: clients repeat a SYN
 * that was dropped, but give up when it is reset. UDP frontends have their own listeners (udp.ts).
 */
function handOver(kind: ListenerKind, port: number, options: CaptureOptions): string[] {
  // A process of the host may have 127.0.0.1, from which the kernel connects to no Pod.
  const fromHost = "meta l4proto tcp fib saddr type local goto to_host";
  return chain(`to_${kind}`, [
    ...toRedirect(kind, options),
    ...(kind === "masquerade" ? [fromHost] : []),
    ...tproxies(port, options),
    toUdpListener(kind),
    "drop",
  ]);
}

function tproxies(port: number, options: CaptureOptions): string[] {
  return familiesOf(options.families).map(({ header, loopback }) => {
    const mark = `meta mark set meta mark or ${bit(options)}`;
    // nft 1.0.6 wants the protocol in the same rule when the chain is reached through a map.
    return `meta l4proto tcp tproxy ${header} to ${loopback}:${port} ${mark} accept`;
  });
}

/** Where the elements of the map of frontends lead. */
function verdicts(options: CaptureOptions): string[] {
  return VERDICTS.flatMap((verdict) => chain(`verdict_${verdict}`, verdictRules(verdict, options)));
}

function hooks(options: CaptureOptions): string[] {
  return [
    ...chain("from_frontend", fromFrontend(options)),
    ...chain("others", OTHERS),
    ...chain("translated", translated(options)),
    ...chain("capture", [
      "type filter hook prerouting priority mangle; policy accept;",
      ...fromForward(options),
      UNTRACKED,
      `ct direction reply ${isOurs(options)} goto deliver`,
      "ct direction reply accept",
      `${IS_TRANSLATED} goto translated`,
      `${IS_SYN} goto from_frontend`,
      "meta l4proto tcp socket transparent 1 socket wildcard 0 goto deliver",
      // ICMP errors about what Envoy sent to a client: the kernel finds the socket by the packet
      // that they quote. Not "meta l4proto tcp", as in the kernel's documentation: ICMP errors
      // would not match, and TCP would not learn its path MTU (test/real/path-mtu.test.ts).
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
    // A route chain: policy-hook.ts has packets routed again.
    ...chain("to_backends", [
      `type route hook output ${AFTER_NOTRACK}; policy accept;`,
      UNTRACKED,
      ...toForward(options),
      UPSTREAM_ZONE,
    ]),
    ...policyChains(options).flatMap(([name, rules]) => chain(name, rules)),
    ...chain("replies", replies(options)),
    ...chain("host", host(options)),
    ...chain("shown", shownFrontends(options)),
    ...chain("delivered", delivered(options)),
    ...chain("delivered_tcp", deliveredTcp(options)),
    ...chain("taken_in", takenIn(options)),
    ...chain("hairpin", [
      "type nat hook postrouting priority srcnat; policy accept;",
      ...familiesOf(options.families).map(
        ({ header, suffix }) =>
          `${isOurs(options)} ${header} saddr . ${header} daddr @own_backends_${suffix} masquerade`,
      ),
      masqueraded(options),
      ...masqueradeUnseen(options),
    ]),
  ];
}

/** Packets that belong to no connection yet, and those that are not Portico's. */
function fromFrontend(options: CaptureOptions): string[] {
  const families = familiesOf(options.families);
  const inFamilies = (rule: (family: Family) => string) => families.map(rule);
  return [
    // Packets that connection tracking calls invalid have no connection mark.
    `ct state invalid ${isFromEnvoy(options)} accept`,
    `${isFromEnvoy(options)} ${isNotCaptured(options)} accept`,
    ...inFamilies((family) => `ct state new ${isKeptOut(family)} drop`),
    ...inFamilies(({ header, suffix }) => `${frontendOf(header)} vmap @frontends_${suffix}`),
    // Neighbour discovery belongs to no Service.
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
    // Envoy's own ports, bound to every address, are for TPROXY; no client may dial them.
    `tcp dport ${capturePorts(options)} fib daddr type local goto verdict_refuse`,
  ];
}

/**
 * Refuses a backend that is a cluster IP, as kube-proxy does after translation. A backend that is
 * another frontend's address is dialled directly: no rule here sends it to that frontend.
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
 * What host processes start to send to others. To a Service's address it turns round on lo, and
 * comes back like any client's packet. What is not TCP and will be refused is refused here already:
 * after the turn, the kernel would send the error from the Service's address, which the host does
 * not have, so the sender would get none.
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
    // The rest is about first packets.
    "ct state != new accept",
    "ct direction original ct state new meta l4proto { tcp, udp } fib saddr type != local " +
      `ct mark set ct mark or ${bit(options)}`,
    ...masqueradedReplies(options),
    `ct direction original ct state new ${isFromEnvoy(options)} goto from_envoy`,
  ];
}

/**
 * What leaves the sockets of others. A connection of the host's that started by turning round
 * continues so, whatever becomes of its frontend; datagrams have no connection that would continue.
 */
function host(options: CaptureOptions): string[] {
  const leaves = 'oif != "lo" ct direction original';
  return [
    `type route hook output priority ${AFTER_FILTERS}; policy accept;`,
    UNTRACKED,
    `${isFromEnvoy(options)} accept`,
    "ct direction reply accept",
    `${leaves} ${isOfOthers(options)} accept`,
    `${leaves} meta l4proto udp goto from_host`,
    `${leaves} ${isOfPortico(options)} fib saddr type local goto deliver`,
    `${leaves} ct state new goto from_host`,
  ];
}

/** Condition: the packet is for a frontend that is open to other sources only. */
function isKeptOut({ header, suffix }: Family): string {
  const source = `${frontendOf(header)} . ${header} saddr`;
  return `${frontendOf(header)} @restricted_${suffix} ${source} != @allowed_sources_${suffix}`;
}

/** TCP first, on its own: it passes none of the rules for other protocols. */
function delivered(options: CaptureOptions): string[] {
  return [
    `type filter hook input priority ${LAST_IN_INPUT}; policy accept;`,
    "meta l4proto tcp goto delivered_tcp",
    UNTRACKED,
    ...toListenersAgain(options),
    strangersAnswers(options),
    ...answered(options, isOurs(options)),
    ...learntPathMTU(options, isOurs(options)),
    "goto taken_in",
  ];
}

/** Envoy's capture ports are for captured connections only. */
function deliveredTcp(options: CaptureOptions): string[] {
  const toCapturePorts = `tcp dport ${capturePorts(options)}`;
  return [
    `${toCapturePorts} ct direction original ` +
      `meta mark and ${bit(options)} != ${bit(options)} reject with tcp reset`,
    `${toCapturePorts} ct state untracked ${IS_SYN} reject with tcp reset`,
    UNTRACKED,
    "goto taken_in",
  ];
}

function takenIn(options: CaptureOptions): string[] {
  const { markBit, envoyMarkBit, masqueradeMarkBit } = options;
  const others = hex(~(markBit | envoyMarkBit | masqueradeMarkBit));
  const isMarked = hasBits("meta", markBit);
  return [
    `${isMarked} ct direction original ${captured(options)}`,
    // A routed packet no longer needs its marks. With the sysctl tcp_fwmark_accept, sockets would
    // take them over, and their own packets would look like captured ones, or Envoy's.
    `${isMarked} meta mark set meta mark and ${others}`,
    `${isFromEnvoy(options)} meta mark set meta mark and ${others}`,
  ];
}

/** The key of the sets of frontends. */
function frontendOf(header: Family["header"]): string {
  return `${header} daddr . meta l4proto . th dport`;
}

function capturePorts(options: CaptureOptions): string {
  const { keepPort, hostPort, masqueradePort, localPort } = options;
  const { redirectPorts, otherCapturePorts } = options;
  const redirected = redirectPorts ? Object.values(redirectPorts) : [];
  const own = [keepPort, hostPort, localPort, masqueradePort, ...redirected];
  return `{ ${[...own, ...otherCapturePorts].join(", ")} }`;
}

/** Condition: a connection of Envoy's in another's name, or one that it answers. */
function isOurs(options: CaptureOptions): string {
  return hasBits("ct", options.markBit);
}

/** Condition: of a connection to a backend. */
function isFromEnvoy({ envoyMarkBit }: CaptureOptions): string {
  return hasBits("meta", envoyMarkBit);
}

function chain(name: string, rules: readonly string[]): string[] {
  return [`  chain ${name} {`, ...rules.map((rule) => `    ${rule}`), "  }"];
}

function bit(options: CaptureOptions): string {
  return hex(options.markBit);
}
