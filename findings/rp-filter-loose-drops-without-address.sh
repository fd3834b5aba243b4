#!/bin/sh
# Linux: a loose reverse path filter (rp_filter 2) is documented to drop only what comes from an
# address that no route leads to. It also drops whatever comes by an interface that has no IPv4
# address, though routes lead to its source (__fib_validate_source in net/ipv4/fib_frontend.c goes
# to "last_resort", where any filter counts). Strict, it would be dropped for its interface; off, it
# passes. So a veth that only forwards needs an address, any, for the loose filter to be loose.
# Seen on Linux 6.18:
#     rp_filter 0, no address: forwarded
#     rp_filter 2, no address: dropped
#     rp_filter 2, an address: forwarded
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
uname -r
run ip link add in0 type veth peer name eth0 netns "$sender"
run ip link add out0 type veth peer name out1
for link in lo in0 out0 out1; do run ip link set "$link" up; done
run ip address add 192.0.2.1/24 dev out0
run sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0
# The way back to 192.0.2.9 is out0, and not in0.
ip netns exec "$sender" ip link set eth0 up
ip netns exec "$sender" ip address add 192.0.2.9/32 dev eth0
ip netns exec "$sender" ip route add 192.0.2.50/32 dev eth0
mac=$(run ip -o link show in0 | sed 's/.*ether \([0-9a-f:]*\).*/\1/')
ip netns exec "$sender" ip neighbour add 192.0.2.50 lladdr "$mac" dev eth0
run nft -f - <<'NFT'
table ip finding {
  counter forwarded {}
  chain forward { type filter hook forward priority filter; udp dport 9 counter name "forwarded"; }
}
NFT
SEND='import socket
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("192.0.2.50", 9))'
fate() {
  run sysctl -qw "net.ipv4.conf.in0.rp_filter=$1"
  before=$(run nft list counter ip finding forwarded | sed -n 's/.*packets \([0-9]*\).*/\1/p')
  ip netns exec "$sender" python3 -c "$SEND"
  after=$(run nft list counter ip finding forwarded | sed -n 's/.*packets \([0-9]*\).*/\1/p')
  if [ "$after" -gt "$before" ]; then echo forwarded; else echo dropped; fi
}
off=$(fate 0)
loose=$(fate 2)
run ip address add 169.254.7.7/32 dev in0
addressed=$(fate 2)
echo "rp_filter 0, no address: $off"
echo "rp_filter 2, no address: $loose"
echo "rp_filter 2, an address: $addressed"
[ "$off $loose $addressed" = "forwarded dropped forwarded" ]
