#!/bin/sh
# Makes a fresh clone ready to run: npm packages (Node 24 among them), the plugin and
# the command portico. Does nothing
# that is already done. Everything else (Envoy, nftables, the control plane) is fetched by what
# needs it.
set -eu
cd "$(dirname "$0")/.."

if ! command -v npm >/dev/null; then
  echo "setup: npm is missing; install Node.js with npm (any version from 20 on), then run this again" >&2
  exit 1
fi
if ! cmp -s package-lock.json node_modules/.installed-lock; then
  echo "setup: installing npm packages"
  log=$(mktemp)
  if ! npm ci --no-audit --no-fund >"$log" 2>&1; then
    cat "$log" >&2
    echo "setup: npm ci failed, see above; a registry that cannot be reached is the usual reason" >&2
    exit 1
  fi
  rm -f "$log"
  cp package-lock.json node_modules/.installed-lock
fi

PATH="$PWD/node_modules/.bin:$PATH"
major=$(node -p 'process.versions.node.split(".")[0]')
if [ "$major" -lt 24 ]; then
  echo "setup: Node $(node --version) is too old and npm has no Node 24 for this machine; install Node 24" >&2
  exit 1
fi

if [ ! -e build/portico ] || [ -n "$(find plugin controller envoy asconfig.json asconfig-functions.json rolldown.config.js package.json -newer build/portico -print -quit)" ]; then
  echo "setup: compiling the plugin, bundling the controller"
  npm run --silent build
fi
