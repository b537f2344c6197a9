# The micro:bit whose button A is pressed: it calls, and shows a heart when the other one answers.
import radio
from microbit import *

radio.on()
radio.config(channel=7)
print("ping: ready")
calls = 0
while True:
    if button_a.was_pressed():
        calls += 1
        radio.send("ping {}".format(calls))
        display.show(Image.ARROW_E)
        print("ping: called", calls)
    heard = radio.receive()
    if heard:
        display.show(Image.HEART)
        print("ping: heard", heard)
    sleep(20)
