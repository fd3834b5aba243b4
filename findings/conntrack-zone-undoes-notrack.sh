#!/bin/sh
# Linux 6.18, nftables 1.0.6, iptables 1.8.9: a conntrack zone and NOTRACK for the same packet do not
# go together, in whichever order: the packet is tracked. A zone (`ct original zone set 7`) that is
# set first gives the packet a template, and iptables' NOTRACK leaves alone what has one; a zone
# that is set later finds no entry and puts its template where "untracked" was noted.
#
# A guess from memory: `notrack` is final, as the last word of the raw hook, or at least the later of
# the two wins. In truth a zone for everything that leaves a node takes NodeLocal DNSCache's rules
# away, say, and nothing that lists rules or counts them shows it: NOTRACK's counter goes on. What
# helps is to set the zone at a later priority (-290), behind `ct state untracked accept`.
#
# Uses nftables and iptables (Debian packages) in a network namespace of its own.
set -eu
dir=$(mktemp -d)
ns="finding-zone-$$"
trap 'ip netns del "$ns" 2>/dev/null || true; rm -rf "$dir"' EXIT
cd "$dir"
# apt's sandbox user cannot write into the folder; the packages are only unpacked, not installed.
apt-get -o APT::Sandbox::User=root download -q nftables=1.0.6-2+deb12u2 \
  libnftables1=1.0.6-2+deb12u2 libnftnl11=1.2.4-2 iptables=1.8.9-2 libxtables12=1.8.9-2 >/dev/null
for package in ./*.deb; do dpkg-deb -x "$package" "$dir/root"; done
libraries=$(dirname "$(find "$dir/root" -name 'libnftables.so.1')")
export LD_LIBRARY_PATH="$libraries" XTABLES_LIBDIR="$libraries/xtables"
nft="$dir/root/usr/sbin/nft"
iptables="$dir/root/usr/sbin/xtables-nft-multi iptables"
echo "Linux $(uname -r), $("$nft" --version), $($iptables --version)"

in_ns() { ip netns exec "$ns" "$@"; }
SEND="import socket; socket.socket(type=socket.SOCK_DGRAM).sendto(b'?', ('127.0.0.1', 4242))"

# Says what the kernel makes of a datagram; the chain of the zone has this priority, or none.
state() {
  ip netns del "$ns" 2>/dev/null || true
  ip netns add "$ns"
  ip -n "$ns" link set lo up
  in_ns $iptables -t raw -A OUTPUT -p udp --dport 4242 -j NOTRACK
  in_ns "$nft" -f - <<'NFT'
add table ip seen
add chain ip seen untracked
add chain ip seen new
add rule ip seen untracked counter
add rule ip seen new counter
add chain ip seen c { type filter hook output priority -150; }
add rule ip seen c udp dport 4242 ct state vmap { untracked : jump untracked, new : jump new }
NFT
  if [ "$1" != none ]; then
    in_ns "$nft" "add table ip z; add chain ip z c { type filter hook output priority $1; }"
    [ "${2-}" = "" ] || in_ns "$nft" "add rule ip z c ct state untracked accept"
    in_ns "$nft" "add rule ip z c udp dport 4242 ct original zone set 7"
  fi
  in_ns python3 -c "$SEND"
  for name in untracked new; do
    if in_ns "$nft" list chain ip seen $name | grep -q 'packets 1 '; then echo $name; fi
  done
}

for given in "none" "-310" "-290" "-290 asks"; do
  echo "zone at $given: $(state $given)"
done | tee seen
grep -qx 'zone at none: untracked' seen
grep -qx 'zone at -310: new' seen
grep -qx 'zone at -290: new' seen
grep -qx 'zone at -290 asks: untracked' seen
