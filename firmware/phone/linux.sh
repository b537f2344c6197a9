#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Makes what a virtual phone boots from Debian's own packages: no root, nothing installed, nothing kept in git.
# usage: linux.sh DIRECTORY     afterwards it holds u-boot.bin, u-boot32.bin, Image, initrd.gz
# Needs apt-get, dpkg-deb, cpio and gzip, and packages of Debian (for any architecture) that apt may read.
set -eu

out=$(mkdir -p "$1" && cd "$1" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
apt=$out/apt

# apt for arm64 beside the system's own, with the system's sources and keys.
fetch() { # PROGRAM ARGUMENTS...
    program=$1
    shift
    "$program" -q -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o Dir::State="$apt" \
        -o Dir::State::Lists="$apt/lists" -o Dir::State::status="$apt/status" -o Dir::Cache="$apt/cache" \
        -o APT::Sandbox::User=root "$@"
}

# unpack PACKAGE FILE...: downloads a package, and unpacks it below $out/PACKAGE
unpack() {
    (cd "$apt/debs" && fetch apt-get download "$1" >/dev/null)
    dpkg-deb -x "$(ls -t "$apt/debs/$1"_*.deb | head -n 1)" "$out/$1"
}

mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/debs"
: >"$apt/status"
fetch apt-get update >/dev/null
kernel=$(fetch apt-cache depends linux-image-arm64 | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
for package in u-boot-qemu busybox-static "$kernel"; do
    unpack "$package"
done
cp "$out/u-boot-qemu/usr/lib/u-boot/qemu_arm64/u-boot.bin" "$out/u-boot.bin"
cp "$out/u-boot-qemu/usr/lib/u-boot/qemu_arm/u-boot.bin" "$out/u-boot32.bin"
cp "$out/$kernel"/boot/vmlinuz-* "$out/Image"

# The RAM disk: busybox, our init, and the modules of the devices that the board has, in the order of their needs.
root=$out/root
rm -rf "$root"
mkdir -p "$root/bin" "$root/dev" "$root/proc" "$root/sys" "$root/mnt" "$root/modules"
cp "$out/busybox-static/bin/busybox" "$root/bin/busybox"
for name in sh mount insmod; do
    ln -s busybox "$root/bin/$name"
done
number=10
for module in virtio_mmio failover net_failover virtio_net virtio_blk virtio-rng virtio_console virtio_input evdev \
    crc16 mbcache crc32c_generic jbd2 ext4; do
    cp "$(find "$out/$kernel/lib/modules" -name "$module.ko")" "$root/modules/$number-$module.ko"
    number=$((number + 1))
done
cp "$here/init" "$root/init"
cp "$here/../bin/linux-hub.elf" "$root/bin/hub"
chmod 755 "$root/init" "$root/bin/hub"
# The same bytes whenever it is made: files in order, owned by root, of one date.
find "$root" -exec touch -h -d @1577836800 {} +
(cd "$root" && find . | LC_ALL=C sort | cpio -o -H newc -R 0:0 --reproducible --quiet) | gzip -9n >"$out/initrd.gz"
ls -l "$out"/u-boot.bin "$out"/Image "$out"/initrd.gz
