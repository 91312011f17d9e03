#!/bin/sh
# resplit-bsdtar.sh IMAGE DIRECTORY CODEC: the root of a unified image as a file of its own, with the fingerprint.
set -eu
case $3 in zstd) pack='zstd -q -3 -T2 -c' ;; *) pack=cat ;; esac
bsdtar -cf - --include 'rootfs/*' -s ',^rootfs/,,' "@$1" | $pack >"$2/peer-root"
sha256sum "$2/peer-root"
