#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Makes what a virtual phone boots from Debian's own packages: no root, nothing installed, nothing kept in git.
# What was made from the same script and the same files of ours is not made again.
# usage: linux.sh DIRECTORY [arm64|armhf]
#   arm64   (default) afterwards it holds u-boot.bin, u-boot32.bin, QEMU_EFI.fd, Image, initrd.gz
#   armhf   zImage, initrd32.gz, for board virt-a15
# Needs apt-get, dpkg-deb, cpio, flock and gzip, and packages of Debian (for any architecture) that apt may read.
set -eu

arch=${2:-arm64}
here=$(cd "$(dirname "$0")" && pwd)
hub=$here/../bin/linux-hub.elf
out=$(mkdir -p "$1" && cd "$1" && pwd)
work=$out/$arch
apt=$work/apt
case $arch in
arm64) flavour=arm64 image=Image ramdisk=initrd.gz loader='u-boot-qemu qemu-efi-aarch64' ;;
armhf) flavour=armmp image=zImage ramdisk=initrd32.gz loader= ;;
*) echo "linux.sh: there is no architecture $arch; there are arm64, armhf" >&2 && exit 2 ;;
esac

# One at a time: whoever comes second waits, and then finds everything made.
exec 9>"$out/lock"
flock 9
made=$(cat "$here/linux.sh" "$here/init" "$hub" | sha256sum)
if [ "$(cat "$out/made-$arch" 2>/dev/null)" = "$made" ]; then
    ls -l "$out/$image" "$out/$ramdisk"
    exit 0
fi

# apt for that architecture beside the system's own, with the system's sources and keys.
fetch() { # PROGRAM ARGUMENTS...
    program=$1
    shift
    "$program" -q -o APT::Architecture=$arch -o APT::Architectures=$arch -o Dir::State="$apt" \
        -o Dir::State::Lists="$apt/lists" -o Dir::State::status="$apt/status" -o Dir::Cache="$apt/cache" \
        -o APT::Sandbox::User=root "$@"
}

# unpack PACKAGE: downloads a package, and unpacks it below $work/PACKAGE
unpack() {
    (cd "$apt/debs" && fetch apt-get download "$1" >/dev/null)
    dpkg-deb -x "$(ls -t "$apt/debs/$1"_*.deb | head -n 1)" "$work/$1"
}

mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/debs"
: >"$apt/status"
# A mirror in the middle of its update has old lists, which serve as well.
fetch apt-get update >/dev/null || echo "linux.sh: some package lists could not be had; going on with the others" >&2
kernel=$(fetch apt-cache depends linux-image-$flavour | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
for package in $loader busybox-static "$kernel"; do
    unpack "$package"
done
if [ -n "$loader" ]; then
    cp "$work/u-boot-qemu/usr/lib/u-boot/qemu_arm64/u-boot.bin" "$out/u-boot.bin"
    cp "$work/u-boot-qemu/usr/lib/u-boot/qemu_arm/u-boot.bin" "$out/u-boot32.bin"
    cp "$work/qemu-efi-aarch64/usr/share/qemu-efi-aarch64/QEMU_EFI.fd" "$out/QEMU_EFI.fd"
fi
cp "$work/$kernel"/boot/vmlinuz-* "$out/$image"

# The RAM disk: busybox, our init, and the modules of the devices that the boards have, in the order of their needs.
root=$work/root
rm -rf "$root"
mkdir -p "$root/bin" "$root/dev" "$root/proc" "$root/sys" "$root/mnt" "$root/modules"
cp "$work/busybox-static/bin/busybox" "$root/bin/busybox"
for name in sh mount insmod; do
    ln -s busybox "$root/bin/$name"
done
number=10
for module in virtio_mmio failover net_failover virtio_net virtio_blk virtio-rng virtio_console virtio_input evdev \
    crc16 mbcache crc32c_generic jbd2 ext4 \
    gpio_keys i2c-ocores sbs-battery industrialio kfifo_buf industrialio-triggered-buffer mma8452 mag3110; do
    file=$(find "$work/$kernel/lib/modules" -name "$module.ko")
    [ -z "$file" ] || cp "$file" "$root/modules/$number-$module.ko"
    number=$((number + 1))
done
cp "$here/init" "$root/init"
chmod 755 "$root/init"
if [ $arch = arm64 ]; then
    cp "$hub" "$root/bin/hub"
    chmod 755 "$root/bin/hub"
fi
# The same bytes whenever it is made: files in order, owned by root, of one date.
find "$root" -exec touch -h -d @1577836800 {} +
(cd "$root" && find . | LC_ALL=C sort | cpio -o -H newc -R 0:0 --reproducible --quiet) | gzip -9n >"$out/$ramdisk"
rm -rf "$work"
echo "$made" >"$out/made-$arch"
ls -l "$out/$image" "$out/$ramdisk"
