#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Puts ping.py and pong.py into MicroPython for the micro:bit V1, as PyPI's micropython-microbit-fs has it: no root,
# nothing installed outside of DIRECTORY, nothing kept in git.
# usage: make.sh DIRECTORY      afterwards it holds ping.hex and pong.hex
set -eu

here=$(cd "$(dirname "$0")" && pwd)
out=$(mkdir -p "$1" && cd "$1" && pwd)

# One at a time: whoever comes second finds the package.
exec 9>"$out/lock"
flock 9
if [ ! -e "$out/python/done" ]; then
    rm -rf "$out/python"
    python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --target "$out/python" micropython-microbit-fs ||
        { echo "make.sh: pip cannot install micropython-microbit-fs; it needs python3-pip and the network" >&2 && exit 1; }
    : >"$out/python/done"
fi
for name in ping pong; do
    # What runs first on a micro:bit has to be called main.py.
    mkdir -p "$out/$name"
    cp "$here/$name.py" "$out/$name/main.py"
    (cd "$out/$name" && PYTHONPATH=$out/python python3 -c 'from micropython_microbit_fs.cli import main; main()' \
        add main.py --v1=latest --output "$name.new" >/dev/null)
    mv "$out/$name/$name.new" "$out/$name.hex"
done
ls -l "$out/ping.hex" "$out/pong.hex"
