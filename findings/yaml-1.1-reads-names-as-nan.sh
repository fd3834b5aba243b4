#!/bin/sh
# yaml 2.9.1 (npm): told to read YAML 1.1, it takes the plain texts e0, E1 and .e5 for numbers: NaN.
#
# A guess from memory: version "1.1" is the way to read files as Kubernetes' components do, where
# yes and off are booleans; a text without a digit before its exponent stays a text, as in YAML 1.1
# (its float needs a digit or a point) and in Go's go.yaml.in/yaml/v2. So a node that is called e1
# has no name: hostnameOverride is a number. YAML 1.2, which is the default, is not affected; an own
# tag for the old booleans is enough.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm install --silent --no-audit --no-fund --no-save yaml@2.9.1 >/dev/null

cat >run.mjs <<'JS'
import { parse } from "yaml";
const texts = ["e0", "E1", "e-5", "node-e1", "yes"];
const seen = (version) => texts.map((text) => `${text}=${parse(text, { version })}`).join(" ");
console.log("1.1:", seen("1.1"));
console.log("1.2:", seen("1.2"));
JS
node run.mjs | tee seen
grep -q '^1.1: e0=NaN E1=NaN e-5=NaN node-e1=node-e1 yes=true$' seen
grep -q '^1.2: e0=e0 E1=E1 e-5=e-5 node-e1=node-e1 yes=yes$' seen
