# The micro:bit that answers every call with its number and the temperature here.
import radio
from microbit import *

radio.on()
radio.config(channel=7)
print("pong: ready")
while True:
    heard = radio.receive()
    if heard:
        display.show(Image.YES)
        print("pong: heard", heard)
        radio.send("{}, {} degrees".format(heard.replace("ping", "pong"), temperature()))
    sleep(20)
