#!/bin/sh
# Builds Portico's images where no image registry can be reached: from Debian packages, and from
# what the checkout has already (the bundle, Node.js, Envoy).
#
#   deploy/images/from-debian.sh            portico:0.1.0 and portico-all-in-one:0.1.0
#
# Needs root, mmdebstrap, and a Docker whose `build` has BuildKit. $DOCKER is the client (docker),
# $ENVOY Envoy's binary (the one on PATH), $BASE_TAR where the base is kept for the next time.
set -eu
cd "$(dirname "$0")/../.."
docker=${DOCKER:-docker}
envoy=${ENVOY:-$(command -v envoy || true)}
node=$(PATH="$PWD/node_modules/.bin:$PATH" node -p process.execPath)
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
base=${BASE_TAR:-$here/base.tar}

if [ ! -x "$envoy" ]; then
  echo "from-debian: no Envoy; set ENVOY to the path of an envoy binary (1.40)" >&2
  exit 1
fi
if [ ! -e build/portico ] || [ ! -e build/portico-functions.wasm ] || [ ! -e build/page ]; then
  echo "from-debian: build/ is empty; run npm run build first" >&2
  exit 1
fi

import() { # import NAME DIRECTORY
  tar -C "$2" -c . | "$docker" import - "portico-base/$1" >/dev/null
}

if [ ! -e "$base" ]; then
  echo "from-debian: making a Debian from packages"
  packages=nftables,iproute2,libcap2-bin,util-linux
  mmdebstrap --quiet --format=tar --variant=apt --include="$packages" bookworm "$base.new"
  mv "$base.new" "$base"
fi
"$docker" import - portico-base/debian <"$base" >/dev/null
install -D "$node" "$here/node/usr/local/bin/node"
install -D "$envoy" "$here/envoy/usr/local/bin/envoy"
install -D -t "$here/bundle/src/build" build/portico build/portico.wasm \
  build/portico-functions.wasm
install -D -m 644 -t "$here/bundle/src/build/page" build/page/*
for name in node envoy bundle; do
  import "$name" "$here/$name"
done
version=0.1.0
build() { # build TARGET IMAGE
  echo "from-debian: building $2"
  DOCKER_BUILDKIT=1 "$docker" build --quiet --file deploy/Dockerfile --target "$1" \
    --build-arg BASE=portico-base/debian --build-arg NODE=portico-base/node \
    --build-arg BUNDLE=portico-base/bundle --build-arg ENVOY=portico-base/envoy \
    --tag "$2" .
}
build controller "portico:$version"
build all-in-one "portico-all-in-one:$version"
