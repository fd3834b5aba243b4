#!/bin/sh
# nftables 1.0.6, iptables 1.8.9 (nf_tables): `nft --json list ruleset` prints what iptables' targets
# do by their names alone, {"xt": {"type": "target", "name": "MARK"}}, without the value that is set;
# `nft list ruleset` prints most of the same rules translated, values and all.
#
# A guess from memory: the JSON says what the text says, in another form. A program that reads the
# JSON to find out who sets a mark, or what is not tracked, finds nothing of what iptables-nft wrote,
# and no error: it needs iptables-save, or the text (in which a zone is "xt target CT", too).
#
# Uses nftables and iptables (Debian packages) in a network namespace of its own.
set -eu
dir=$(mktemp -d)
ns="finding-json-$$"
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
"$nft" --version
$iptables --version

ip netns add "$ns"
in_ns() { ip netns exec "$ns" "$@"; }
in_ns $iptables -t mangle -A PREROUTING -m mark --mark 0x4000/0x4000 -j MARK --or-mark 0x123000
in_ns $iptables -t raw -A PREROUTING -p udp --dport 53 -j NOTRACK
in_ns "$nft" list ruleset 2>/dev/null | grep counter | tee text
in_ns "$nft" --json list ruleset | grep -o '{"xt": {[^}]*}}' | tee json
grep -q 'set mark or 0x123000$' text
grep -q 'notrack$' text
grep -qx '{"xt": {"type": "target", "name": "MARK"}}' json
grep -qx '{"xt": {"type": "target", "name": "CT"}}' json
