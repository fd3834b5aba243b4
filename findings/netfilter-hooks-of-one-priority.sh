#!/bin/sh
# Linux 6.18, nftables 1.0.6: of two chains at one hook with one priority, the kernel calls the one
# that was made LAST first. So a chain of priority -2147483648 can come before br_netfilter's
# ip_sabotage_in (NF_IP_PRI_FIRST), which keeps a bridged packet from the rest of the prerouting
# hook when the bridge hands it up, and sees the packet twice; but only when it was made after the
# network namespace's first bridge, with which br_netfilter puts its functions on their hooks.
#
# A guess from memory: first come, first served, as for iptables rules, or an order that is the
# same for the same rules. In truth the same ruleset behaves otherwise when it is loaded at boot,
# before any bridge, and when it is loaded again later; and a table that is deleted and made again
# moves before all others of its priority.
#
# Uses nftables and iproute2 (Debian packages) in network namespaces of its own.
set -eu
dir=$(mktemp -d)
ns="finding-order-$$"
trap 'ip netns del "$ns" 2>/dev/null || true; ip netns del "$ns-p" 2>/dev/null || true
  rm -rf "$dir"' EXIT
cd "$dir"
# apt's sandbox user cannot write into the folder; the packages are only unpacked, not installed.
apt-get -o APT::Sandbox::User=root download -q nftables=1.0.6-2+deb12u2 \
  libnftables1=1.0.6-2+deb12u2 libnftnl11=1.2.4-2 >/dev/null
for package in ./*.deb; do dpkg-deb -x "$package" "$dir/root"; done
nft="$dir/root/usr/sbin/nft"
LD_LIBRARY_PATH=$(dirname "$(find "$dir/root" -name 'libnftables.so.1')")
export LD_LIBRARY_PATH
echo "Linux $(uname -r), $("$nft" --version)"
[ -e /proc/sys/net/bridge ] || { echo "no br_netfilter here: modprobe br_netfilter"; exit 1; }

new() {
  ip netns del "$ns" 2>/dev/null || true
  ip netns add "$ns"
  ip -n "$ns" link set lo up
}
in_ns() { ip netns exec "$ns" "$@"; }
SEND="import socket, sys
socket.socket(type=socket.SOCK_DGRAM).sendto(b'?', (sys.argv[1], 4242))"
count() { # chain
  in_ns "$nft" list table inet t | sed -n "/chain $1 /,/}/s/.*packets \([0-9]*\).*/\1/p"
}

new
in_ns "$nft" -f - <<'NFT'
add table inet t
add chain inet t older { type filter hook prerouting priority 0; }
add chain inet t latest { type filter hook prerouting priority 0; }
add rule inet t older udp dport 4242 counter drop
add rule inet t latest udp dport 4242 counter
NFT
in_ns python3 -c "$SEND" 127.0.0.1
until [ "$(count older)" = 1 ]; do sleep 0.1; done
both="$(count older) $(count latest)"
echo "a packet that the older chain drops was counted by older and latest: $both"

first_chain() {
  in_ns "$nft" -f - <<'NFT'
add table inet t
add chain inet t first { type filter hook prerouting priority -2147483648; }
add rule inet t first udp dport 4242 counter
add chain inet t arrived { type filter hook input priority 0; }
add rule inet t arrived udp dport 4242 counter
NFT
}
bridge() {
  ip -n "$ns" link add br0 type bridge
  ip -n "$ns" link set br0 up
  ip -n "$ns" address add 10.1.7.1/24 dev br0
  ip netns add "$ns-p"
  ip -n "$ns" link add port type veth peer name eth0 netns "$ns-p"
  ip -n "$ns" link set port master br0 up
  ip -n "$ns-p" address add 10.1.7.2/24 dev eth0
  ip -n "$ns-p" link set eth0 up
}
asked() {
  ip netns exec "$ns-p" python3 -c "$SEND" 10.1.7.1
  for _ in $(seq 100); do [ "$(count arrived)" = 1 ] && break; sleep 0.1; done
  count first
  ip netns del "$ns-p"
}
new; bridge; first_chain; after=$(asked)
new; first_chain; bridge; before=$(asked)
echo "one bridged packet passed the very first chain, made after the bridge: $after times;" \
  "made before it: $before"
[ "$both" = "1 1" ] && [ "$after" = 2 ] && [ "$before" = 1 ] || { echo CHANGED >&2; exit 1; }
