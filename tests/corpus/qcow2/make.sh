#!/bin/sh
# Makes the disks of this folder: with qemu-utils 7.2 of Debian 12.
# Each has a guest disk of 1 MiB with an MBR partition and the bytes that contents.json lists.
set -eu
cd "$(dirname "$(readlink -f "$0")")"
raw=$(mktemp)
trap 'rm -f "$raw"' EXIT
truncate -s 1M "$raw"
write() { # offset, text repeated by yes, bytes
    yes "$2" | head -c "$3" | dd of="$raw" bs=1 seek="$1" conv=notrunc status=none
}
write 0 boot 440
printf '\200\000\000\000\203\000\000\000\010\000\000\000\370\007\000\000' |
    dd of="$raw" bs=1 seek=446 conv=notrunc status=none
printf '\125\252' | dd of="$raw" bs=1 seek=510 conv=notrunc status=none
write 4096 partition 3000
write 700000 far 5000
convert() { # name, options, flags of qemu-img
    qemu-img convert $3 -f raw -O qcow2 -o "$2" "$raw" "$1.qcow2"
}
convert version2 compat=0.10,cluster_size=512 ''
convert version3 cluster_size=512 ''
convert large-clusters cluster_size=8k,refcount_bits=8 ''
convert zlib cluster_size=1k -c
convert zstd cluster_size=4k,compression_type=zstd -c
qemu-img create -q -f qcow2 -o cluster_size=512 -u -b /host/secret -F raw backing.qcow2 1M
cp version3.qcow2 snapshot.qcow2
qemu-img snapshot -c first snapshot.qcow2
