#!/bin/sh
# nftables: `fib saddr . mark . iif oif missing drop`, which firewalld has for IPv6 (IPv6_rpfilter,
# on by default, at priority filter + 10), drops what a TPROXY rule at the usual priority (mangle)
# has marked. With the mark, the sender is looked up in the table that makes marked packets local,
# and a local route counts as none. Without the mark in the rule, or before the packet is marked, it
# passes. So one's own TPROXY rules have to come after the reverse path filters of others.
# Seen with nft 1.0.6 on Linux 6.18:
#     marked before the filter: 1 of 1 missing
#     marked after the filter:  0 of 1 missing
set -eu
command -v nft >/dev/null && command -v ip >/dev/null && command -v python3 >/dev/null || {
  apt-get install --yes --no-install-recommends nftables iproute2 python3 >/dev/null
}
node="finding-$$-node"
sender="finding-$$-sender"
ip netns add "$node"
ip netns add "$sender"
trap 'ip netns del "$node"; ip netns del "$sender"' EXIT
run() { ip netns exec "$node" "$@"; }
nft --version
uname -r
run ip link add in0 type veth peer name eth0 netns "$sender"
for link in lo in0; do run ip link set "$link" up; done
run ip -6 address add fd00::1/64 dev in0 nodad
ip netns exec "$sender" ip link set eth0 up
ip netns exec "$sender" ip -6 address add fd00::2/64 dev eth0 nodad
ip netns exec "$sender" ip -6 route add fd00:96::/64 via fd00::1
run ip -6 rule add fwmark 0x1 lookup 100
run ip -6 route add local default dev lo table 100
rules() {
  run nft -f - <<NFT
flush ruleset
table ip6 finding {
  counter c_all {}
  counter c_missing {}
  chain capture { type filter hook prerouting priority $1; udp dport 9 meta mark set 0x1; }
  chain filter {
    type filter hook prerouting priority filter + 10;
    udp dport 9 counter name "c_all"
    udp dport 9 fib saddr . mark . iif oif missing counter name "c_missing"
  }
}
NFT
  ip netns exec "$sender" python3 -c 'import socket
socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).sendto(b"x", ("fd00:96::9", 9))'
  deadline=$(($(date +%s) + 5))
  while [ "$(count all)" = 0 ] && [ "$(date +%s)" -lt "$deadline" ]; do :; done
}
count() { run nft list counter ip6 finding "c_$1" | sed -n 's/.*packets \([0-9]*\).*/\1/p'; }
rules mangle
before="$(count missing) of $(count all)"
rules "filter + 20"
after="$(count missing) of $(count all)"
echo "marked before the filter: $before missing"
echo "marked after the filter:  $after missing"
[ "$before, $after" = "1 of 1, 0 of 1" ]
