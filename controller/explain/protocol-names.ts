// What nft prints → the same with protocols by their names. nft writes "meta l4proto 6" where there
// is no /etc/protocols, as in a minimal image.

/** The protocols of Portico's rules and sets. */
const NAMES: Readonly<Record<string, string>> = { "6": "tcp", "17": "udp", "132": "sctp" };

const NUMBER = /\b(?:6|17|132)\b/g;
/** In a rule: one protocol, or a set of them. */
const OF_RULE = /\bmeta l4proto (?:!= )?(?:\{[^}]*\}|\d+)/g;
/** In a key: the middle of an address, a protocol and a port. */
const OF_KEY = /(?<=[0-9a-f:.] \. )(?:6|17|132)(?= \. \d)/g;

/**
 * Returns the text with names instead of the numbers of TCP, UDP and SCTP. Other numbers stay, and
 * so does a text that already has names.
 */
export function withProtocolNames(text: string): string {
  const named = (number: string) => NAMES[number] ?? number;
  return text
    .replaceAll(OF_RULE, (match) => match.replaceAll(NUMBER, named))
    .replaceAll(/[0-9a-f.:]+ \. \d+ \. \d+/g, (key) => key.replace(OF_KEY, named));
}
