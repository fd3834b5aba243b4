#!/bin/sh
# nftables: `redirect to :8080` (iptables' REDIRECT too) translates to an address of the interface
# that a packet came in by. Where that has none of the family, such as a bridge without an address
# or a link with routes alone, it drops the packet: no error, no reset, and the rule's counter
# counts it as if it had matched. `dnat to :8080` translates the port alone and serves.
# Seen with nft 1.0.6 on Linux 6.18:
#     redirect: hears nothing counted
#     dnat: connected counted
set -eu
command -v nft >/dev/null && command -v ip >/dev/null && command -v python3 >/dev/null || {
  apt-get install --yes --no-install-recommends nftables iproute2 python3 >/dev/null
}
a="finding-a-$$"
b="finding-b-$$"
ip netns add "$a"
ip netns add "$b"
trap 'ip netns del "$a"; ip netns del "$b"' EXIT
ip link add veth0 netns "$a" type veth peer name veth0 netns "$b"
ip -n "$a" link set veth0 up
ip -n "$b" link set veth0 up
ip -n "$b" link set lo up
ip -n "$a" address add 10.9.0.1/32 dev veth0
ip -n "$b" address add 10.9.0.2/32 dev lo
ip -n "$a" route add 10.9.0.2 dev veth0
ip -n "$b" route add 10.9.0.1 dev veth0
nft --version
uname -r

seen() {
  ip netns exec "$b" nft -f - <<NFT
table ip finding
delete table ip finding
table ip finding {
  chain before { type nat hook prerouting priority dstnat; tcp dport 81 counter $1 to :8080; }
}
NFT
  ip netns exec "$b" python3 - "$a" <<'PYTHON'
import socket, subprocess, sys
listener = socket.create_server(("0.0.0.0", 8080))
dial = 'import socket; socket.create_connection(("10.9.0.2", 81), timeout=2)'
client = subprocess.run(["ip", "netns", "exec", sys.argv[1], "python3", "-c", dial],
                        stderr=subprocess.PIPE, text=True)
silence = "hears nothing" if "timed out" in client.stderr else client.stderr
print("connected" if client.returncode == 0 else silence)
PYTHON
  packets=$(ip netns exec "$b" nft list table ip finding | sed -n 's/.*packets \([0-9]*\).*/\1/p')
  [ "$packets" -gt 0 ] && echo counted
}
redirect=$(seen redirect | tr '\n' ' ')
dnat=$(seen dnat | tr '\n' ' ')
echo "redirect: $redirect"
echo "dnat: $dnat"
[ "$redirect" = "hears nothing counted " ]
[ "$dnat" = "connected counted " ]
