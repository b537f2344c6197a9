/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Stop-and-wait with a doubling time-out. */
#include "courier.h"

#include "tick.h"

#define FIRST_TIMEOUT_MS 100u
#define MAX_DOUBLINGS 3u /* up to 0.8 s */
#define LOST_TRIES 7u    /* after 3.1 s, about when the hub gives a silent node up */

void CourierInit(Courier *courier, const UdpAddress *to)
{
    *courier = (Courier){.to = *to, .sequence = 1};
}

void CourierPost(Courier *courier, const Message *message)
{
    if (courier->head - courier->tail == COURIER_QUEUE) {
        ++courier->tail;
        /* The next one takes over the time-out and the count: a peer that is away stays away. */
    }
    Message *slot = &courier->queue[courier->head % COURIER_QUEUE];
    *slot = *message;
    slot->sequence = courier->sequence++;
    ++courier->head;
}

void CourierPoll(Courier *courier, uint32_t now)
{
    if (courier->head == courier->tail || (courier->tries != 0 && !TickReached(now, courier->due))) {
        return;
    }
    uint32_t doublings = courier->tries < MAX_DOUBLINGS ? courier->tries : MAX_DOUBLINGS;
    courier->due = now + (FIRST_TIMEOUT_MS << doublings);
    ++courier->tries;
    MessageSend(&courier->to, &courier->queue[courier->tail % COURIER_QUEUE]);
}

bool CourierAck(Courier *courier, uint16_t sequence)
{
    if (courier->head == courier->tail || courier->tries == 0 ||
        courier->queue[courier->tail % COURIER_QUEUE].sequence != sequence) {
        return false;
    }
    ++courier->tail;
    courier->tries = 0;
    return true;
}

bool CourierIsLost(const Courier *courier)
{
    return courier->tries >= LOST_TRIES;
}
