#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Runs conformance images on QEMU. What QEMU 7.2 is known to answer differently from the manual stands in
# qemu-7.2.txt and is not held against it; ends with 1 when anything else fails or an image does not end.
# usage: tests/run.sh test-NAME...   (QEMU_ARGS adds options)
cd "$(dirname "$0")/.." || exit 2
mkdir -p build
status=0
for image in "$@"; do
    case $image in
        test-fpu | test-stress) board=mps2-an386 ;;
        *) board=mps2-an385 ;;
    esac
    log=build/$image.log
    rm -f "$log"
    # shellcheck disable=SC2086
    qemu-system-arm -M $board -display none -monitor none -serial "file:$log" -kernel "bin/$image.elf" \
        -icount shift=5,sleep=off $QEMU_ARGS </dev/null 2>"$log.err" &
    qemu=$!
    tries=0
    while [ $tries -lt 200 ] && kill -0 $qemu 2>/dev/null && ! grep -q '^DONE' "$log" 2>/dev/null; do
        sleep 0.1
        tries=$((tries + 1))
    done
    kill $qemu 2>/dev/null
    wait $qemu 2>/dev/null
    sed -n "s/^FAIL \(.*\): expected .*/$image: \1/p" "$log" | grep -vxFf tests/qemu-7.2.txt >"$log.new"
    known=$(sed -n "s/^FAIL \(.*\): expected .*/$image: \1/p" "$log" | grep -cxFf tests/qemu-7.2.txt)
    sed 's/^/  FAIL /' "$log.new"
    grep '^skip' "$log" | sed 's/^/  /'
    echo "$image: $(grep '^DONE' "$log" || echo 'NO END'), $known known of QEMU"
    if ! grep -q '^DONE' "$log" && ! grep -qxF "$image: NO END" tests/qemu-7.2.txt; then
        status=1
    fi
    if [ -s "$log.new" ]; then
        status=1
    fi
done
exit $status
