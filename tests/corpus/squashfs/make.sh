#!/bin/sh
# Makes the images of this folder: as root, with squashfs-tools 4.5.1 and squashfs-tools-ng 1.2.0 of Debian 12.
# All hold the same tree, which expected.json describes; tar2sqfs leaves out the socket.
set -eu
here=$(dirname "$(readlink -f "$0")")
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
cd "$tree"
umask 022
mkdir -p dir/sub special
echo hello >dir/a
ln dir/a dir/b
ln dir/a dir/sub/c
ln -s ../dir/a dir/link
seq 1 1200 >numbers
: >empty
truncate -s 20000 hole
printf end | dd of=hole bs=1 seek=9000 conv=notrunc status=none
printf bytes >"$(printf 'special/\377name')"
mknod special/char c 5 300
mknod special/block b 259 70000
mkfifo special/fifo
python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("special/socket")'
chown 1000:1001 dir/link -h
chown 70000:65534 numbers
chmod 4755 dir/a
chmod 1777 special
setfattr -n user.short -v value dir/a
setfattr -n user.long -v "$(seq -s, 1 300)" dir
setfattr -n user.long -v "$(seq -s, 1 300)" special
setfattr -n trusted.link -v x -h dir/link
setfattr -n security.capability -v 0x0100000200200000000000000000000000000000 numbers
find . -exec touch -h -d @1600000000 {} +
for compressor in gzip lzma lzo xz lz4 zstd; do
    rm -f "$here/mksquashfs-$compressor.squashfs" "$here/tar2sqfs-$compressor.squashfs"
    mksquashfs . "$here/mksquashfs-$compressor.squashfs" -comp $compressor -b 4096 -mkfs-time 1600000000 \
        -nopad -quiet -no-progress
    tar -c --sort=name --xattrs --xattrs-include='*' --pax-option=delete=atime,delete=ctime . 2>/dev/null |
        tar2sqfs -q -c $compressor -b 4096 -d mtime=1600000000 "$here/tar2sqfs-$compressor.squashfs"
done
mksquashfs . "$here/mksquashfs-plain.squashfs" -comp gzip -b 4096 -mkfs-time 1600000000 \
    -noI -noD -noF -noX -noId -always-use-fragments -no-exports -nopad -quiet -no-progress
mksquashfs . "$here/mksquashfs-bcj.squashfs" -comp xz -Xbcj x86,arm -b 4096 -mkfs-time 1600000000 \
    -nopad -quiet -no-progress
