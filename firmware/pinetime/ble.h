/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bluetooth Low Energy on the bare radio: advertising, and scanning (Core Specification 5.3, volume 6 part B). */
#ifndef BLE_H
#define BLE_H

#include <stdbool.h>
#include <stdint.h>

#define BLE_DATA_MAX 31u

void BleStart(void);

/* Advertises once on the three channels, as connectable, and answers scan requests with `response`; true when one
   was answered. Who asks for a connection gets it. */
bool BleAdvertise(const uint8_t *data, uint32_t size, const uint8_t *response, uint32_t responseSize);

typedef struct {
    uint8_t address[6];
    uint8_t size;
    uint8_t data[BLE_DATA_MAX];
} BleReport;

/* Listens on channel 37 until somebody advertises, asks for more, and gives the answer; false without one. */
bool BleScan(BleReport *report);

typedef struct {
    uint8_t peer[6];
    uint32_t next; /* when the next event begins, in us of TIMER0 */
    uint32_t channel;
    bool number, expected;
} BleConnection;

/* A packet of the connection: 1 is a continuation or empty, 2 the start of a message, 3 link control. */
#define BLE_PDU_MAX 38u
typedef struct {
    uint8_t kind, size;
    uint8_t data[BLE_PDU_MAX];
} BlePdu;
enum { BLE_EMPTY = 1, BLE_START = 2, BLE_CONTROL = 3 };

/* Listens on channel 37 until somebody advertises, and connects when that is possible; false when not. */
bool BleConnect(BleConnection *connection);

/* One event of a connection, as its central: sends `out`, which has to be given again until it was `delivered`, and
   receives `in`, of size 0 when there is nothing new. False when the peer did not answer. */
bool BleEvent(BleConnection *connection, const BlePdu *out, BlePdu *in, bool *delivered);

/* The other end: whether somebody is connected, and the event of TIMER0 at which BleServe has to be called. It may
   come late: events that are over are left out. `values` answer who reads them. */
typedef struct {
    uint8_t battery; /* in percent */
    uint8_t pulse;
    uint32_t steps;
} BleValues;
bool BleConnected(void);
void BleServe(const BleValues *values);
#define BLE_SERVE_EVENT 0x14Cu

#endif
