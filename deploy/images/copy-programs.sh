#!/bin/sh
# copy-programs.sh DIRECTORY PROGRAM...: the programs, with the libraries that they are linked to,
# into a directory that becomes the file system of an image.
set -eu
target=$1
shift

for program in "$@"; do
  path=$(command -v "$program")
  # ldd names a library as "name => path (address)", the loader as "path (address)".
  libraries=$(ldd "$path" | sed -n 's/^[^/]*\(\/[^ ]*\) (0x[0-9a-f]*)$/\1/p')
  for file in "$path" $libraries; do
    mkdir -p "$target$(dirname "$file")"
    cp --dereference "$file" "$target$file"
  done
done
