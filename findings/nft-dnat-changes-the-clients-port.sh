#!/bin/sh
# nftables: destination NAT alone, with no rule of source NAT anywhere, changes the client's port.
# A client may use one port towards two servers' ports; where DNAT leads both to the same address
# and port, the two would have the same replies, so the kernel gives the later one another source
# port, in the input hook. The server's accepted socket names a port that the client never had. The
# first connection may be closed already: its entry stays for two minutes in TIME_WAIT.
# SO_ORIGINAL_DST finds the dialled port all the same.
# Seen with nft 1.0.6 on Linux 6.18:
#     dialled 81 from port 5555: the server sees port 5555, SO_ORIGINAL_DST says 81
#     dialled 82 from port 5555: the server sees another port, SO_ORIGINAL_DST says 82
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
  chain output { type nat hook output priority -100; tcp dport { 81, 82 } dnat to :8080; }
}
NFT
run python3 - <<'PYTHON'
import socket, struct
SO_ORIGINAL_DST = 80
listener = socket.create_server(("127.0.0.1", 8080))
listener.settimeout(5)
seen = {}
for port in (81, 82):
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    client.bind(("127.0.0.1", 5555))
    client.settimeout(5)
    client.connect(("127.0.0.1", port))
    accepted, peer = listener.accept()
    original = struct.unpack("!2xH12x", accepted.getsockopt(socket.SOL_IP, SO_ORIGINAL_DST, 16))[0]
    assert client.getsockname()[1] == 5555 and original == port
    seen[port] = (client, accepted, peer[1])
    which = "port 5555" if peer[1] == 5555 else "another port"
    print(f"dialled {port} from port 5555: the server sees {which}, SO_ORIGINAL_DST says {original}")
assert seen[81][2] == 5555 and seen[82][2] != 5555
PYTHON
