#!/bin/sh
# resplit-tar.sh IMAGE DIRECTORY CODEC: unpack a unified image and pack it again as two files, with the fingerprint.
set -eu
case $3 in zstd) pack='zstd -q -3 -T2 -c' ;; *) pack=cat ;; esac
rm -rf "$2/unpacked"
mkdir "$2/unpacked"
tar --xattrs --xattrs-include='*' --numeric-owner -xpf "$1" -C "$2/unpacked"
tar --xattrs --numeric-owner -cf "$2/peer-meta" -C "$2/unpacked" metadata.yaml
tar --xattrs --sort=name --numeric-owner -cf - -C "$2/unpacked/rootfs" . | $pack >"$2/peer-root"
cat "$2/peer-meta" "$2/peer-root" | sha256sum
rm -rf "$2/unpacked"
