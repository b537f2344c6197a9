#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A small client of the control protocol (docs/control-protocol.md); needs nothing but Python 3.

Start a run with its door open, then connect with the address and token it prints:

    consort run fleet.json --for 10min --realtime --control
    python3 docs/client.py 127.0.0.1:40123#TOKEN watch 5s

prints the watch's UART for five virtual seconds, its registers at the end, and the run's digest.

    python3 docs/client.py 127.0.0.1:40123#TOKEN watch break main

lets the fleet run until the watch comes to a function, and prints where it is in its source.
"""

import json
import socket
import sys


class Refused(Exception):
    """The server cannot do what was asked."""


class Client:
    """A connection. Notices that arrive while an answer is awaited wait in `notices`."""

    def __init__(self, address, token):
        if "/" in address:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.connect(address)
        else:
            host, port = address.rsplit(":", 1)
            self.socket = socket.create_connection((host.strip("[]"), int(port)))
        self.lines = self.socket.makefile("r", encoding="utf-8")
        self.id = 0
        self.notices = []
        self.welcome = self.ask("hello", version=1, token=token)["welcome"]

    def ask(self, do, **more):
        """Sends a request and gives its answer."""
        self.id += 1
        line = json.dumps({"id": self.id, "do": do, **more}) + "\n"
        self.socket.sendall(line.encode())
        while True:
            message = self.next_message()
            if message.get("id") != self.id:
                self.notices.append(message)
            elif message["is"] == "error":
                raise Refused(message["message"])
            else:
                return message["answer"]

    def next_message(self):
        line = self.lines.readline()
        if not line:
            raise EOFError("the run has ended")
        return json.loads(line)

    def next_notice(self):
        """The next notice; waits for it."""
        return self.notices.pop(0) if self.notices else self.next_message()

    def type(self, device, port, text):
        """Types on a device's UART."""
        action = {"do": "send", "port": port, "data": list(text.encode())}
        self.ask("stimulus", what={"device": [device, action]})

    def set(self, device, component, channel, value):
        """Presses a button, sets a sensor's value."""
        action = {"do": "set", "component": component, "channel": channel, "value": value}
        self.ask("stimulus", what={"device": [device, action]})

    def symbol(self, device, name):
        """The address of a symbol."""
        found = self.ask("symbols", device=device, text=name)["symbols"]
        return next(symbol["addr"] for symbol in found if symbol["name"] == name)

    def run_to(self, device, addr):
        """Lets the fleet run until a device is before an instruction; what halts it then, or None."""
        self.ask("points", device=device, breakpoints=[addr])
        self.ask("run")
        while (status := self.status())["running"]:
            pass
        self.ask("points", device=device)
        return status["halted"]

    def status(self):
        return self.ask("status")["status"]

    def run_for(self, time):
        """Lets the fleet run for a virtual time such as "5s", and waits for it to pause there."""
        until = seconds(self.status()["now"]) + seconds(time)
        self.ask("run", until=f"{round(until * 10**12)}ps")
        while (status := self.status())["running"]:
            pass
        return status


def seconds(time):
    """A time of the protocol ("250ms") in seconds."""
    for unit, scale in (("ps", 1e-12), ("ns", 1e-9), ("us", 1e-6), ("ms", 1e-3), ("s", 1.0)):
        if time.endswith(unit):
            return float(time.removesuffix(unit)) * scale
    raise ValueError(time)


def main():
    if len(sys.argv) not in (4, 5):
        sys.exit(__doc__)
    address, token = sys.argv[1].rsplit("#", 1)
    name, time = sys.argv[2:4]
    client = Client(address, token)
    client.ask("pause")
    if time == "break":
        addr = client.symbol(name, sys.argv[4])
        print(client.run_to(name, addr))
        code = client.ask("code", device=name, addr=addr, len=64)["code"]
        for line in code["lines"]:
            print(f"{line['addr']:#010x} {line['file']}:{line['line']}")
        return
    client.ask("subscribe", topics=["uart"])
    client.run_for(time)
    text = b"".join(bytes.fromhex(n["data"]) for n in client.notices if n.get("device") == name)
    print(text.decode(errors="replace"))
    state = client.ask("device", device=name)["device"]
    for register in state["registers"]:
        print(f"{register['name']:>12} {register['value']}")
    print(f"at {state['symbol']}, {state['stats']['instructions']} instructions")
    print("digest", client.ask("digest")["digest"])


if __name__ == "__main__":
    main()
