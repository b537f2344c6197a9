/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the soft-bus demo's devices say and compare, on any board. */
#include "bus.h"

const char *BusResult(int32_t result)
{
    switch (result) {
        case SOFTBUS_TIMOUT:
            return "time-out";
        case SOFTBUS_PERMISSION_DENIED:
            return "permission denied";
        case SOFTBUS_TRANS_HANDSHAKE_TIMEOUT:
            return "handshake time-out";
        case SOFTBUS_TRANS_PEER_SESSION_NOT_CREATED:
            return "no such session server";
        case SOFTBUS_NETWORK_NOT_FOUND:
            return "network not found";
        case SOFTBUS_AUTH_TIMEOUT:
            return "authentication time-out";
        default:
            return result >= 0 ? "done" : "failed";
    }
}

bool TextIs(const char *left, const char *right)
{
    while (*left == *right && *left != '\0') {
        ++left;
        ++right;
    }
    return *left == *right;
}

void TextCopy(char *to, uint32_t size, const void *from, uint32_t length)
{
    const char *text = from;
    uint32_t i = 0;
    for (; i + 1u < size && i < length; ++i) {
        to[i] = text[i];
    }
    to[i] = '\0';
}

uint32_t TextLength(const char *text)
{
    uint32_t length = 0;
    while (text[length] != '\0') {
        ++length;
    }
    return length;
}
