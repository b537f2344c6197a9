/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bytes on the wire: sizes, big-endian numbers and the Internet checksum (RFC 1071). */
#ifndef WIRE_H
#define WIRE_H

#include <stdint.h>

#define ETHERTYPE_IPV4 0x0800u
#define ETH_HEADER 14u
#define ETH_MIN 60u
#define IP_HEADER 20u

static inline void Put16(uint8_t *to, uint32_t value)
{
    to[0] = (uint8_t)(value >> 8);
    to[1] = (uint8_t)value;
}

static inline void Put32(uint8_t *to, uint32_t value)
{
    Put16(to, value >> 16);
    Put16(to + 2, value);
}

static inline uint32_t Take16(const uint8_t *from)
{
    return (uint32_t)from[0] << 8 | from[1];
}

static inline uint32_t Take32(const uint8_t *from)
{
    return Take16(from) << 16 | Take16(from + 2);
}

static inline uint32_t Sum(const uint8_t *bytes, uint32_t size, uint32_t sum)
{
    for (; size > 1; size -= 2, bytes += 2) {
        sum += Take16(bytes);
    }
    return size != 0 ? sum + ((uint32_t)bytes[0] << 8) : sum;
}

static inline uint16_t Fold(uint32_t sum)
{
    sum = (sum & 0xFFFFu) + (sum >> 16);
    sum = (sum & 0xFFFFu) + (sum >> 16);
    return (uint16_t)~sum;
}

#endif
