/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the soft-bus demo's devices share: start, words on the UART, sleep. */
#ifndef BUS_H
#define BUS_H

#include <stdint.h>

#include "softbus.h"

/* The package of all session servers. */
#define PACKAGE "consort.demo"

extern SoftBus g_bus;

/* UART, tick, adapter; does not return without an adapter. */
void BusStart(const SoftBusCallback *callback);

/* A line on the UART, with the device's UDID in front. */
void BusSay(const char *format, ...);

/* Sleeps until `due`, an event of the bus or a typed line, and calls back for all events. */
void BusSleepUntil(uint32_t due);

/* "done", or the error code in words. */
const char *BusResult(int32_t result);

/* Strings: equality, and a copy that is cut where it does not fit. */
bool TextIs(const char *left, const char *right);
void TextCopy(char *to, uint32_t size, const void *from, uint32_t length);
uint32_t TextLength(const char *text);

#endif
