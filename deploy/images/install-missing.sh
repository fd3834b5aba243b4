#!/bin/sh
# In a stage of deploy/Dockerfile: what its base image lacks of the programs that the images get.
set -eu

programs_are_here() {
  for program in nft ip setcap setpriv ldd; do
    command -v "$program" >/dev/null || return 1
  done
}

programs_are_here && exit 0
apt-get update
apt-get install --yes --no-install-recommends nftables iproute2 libcap2-bin util-linux
rm -rf /var/lib/apt/lists
