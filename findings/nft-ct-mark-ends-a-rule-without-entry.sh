#!/bin/sh
# nftables: a statement that sets the connection's mark from its old value (`ct mark set ct mark or
# 0x40`) ends its rule for a packet without a conntrack entry, an invalid one for instance. What
# stands behind it in the same rule, a verdict too, is not done; a constant (`ct mark set 0x40`) does
# not end it. So "mark it and accept" leaves out what connection tracking takes for invalid.
# Seen with nft 1.0.6 on Linux 6.18:
#     computed: 0 of 1 packets counted behind it
#     constant: 1 of 1 packets counted behind it
set -eu
command -v nft >/dev/null && command -v ip >/dev/null && command -v python3 >/dev/null || {
  apt-get install --yes --no-install-recommends nftables iproute2 python3 >/dev/null
}
name="finding-$$"
ip netns add "$name"
trap 'ip netns del "$name"' EXIT
run() { ip netns exec "$name" "$@"; }
run ip link set lo up
nft --version
uname -r
run nft -f - <<'NFT'
table ip finding {
  counter c_all {}
  counter c_computed {}
  counter c_constant {}
  chain raw { type filter hook output priority raw; udp dport 9 notrack; }
  chain after {
    type filter hook output priority mangle;
    udp dport 9 counter name "c_all"
    udp dport 9 ct mark set ct mark or 0x40 counter name "c_computed"
    udp dport 9 ct mark set 0x40 counter name "c_constant"
  }
}
NFT
run python3 -c 'import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", 9))'
count() { run nft list counter ip finding "c_$1" | sed -n 's/.*packets \([0-9]*\).*/\1/p'; }
echo "computed: $(count computed) of $(count all) packets counted behind it"
echo "constant: $(count constant) of $(count all) packets counted behind it"
[ "$(count all) $(count computed) $(count constant)" = "1 0 1" ]
