/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The soft bus for bare firmware, over Consort's adapter: find devices, join them, open sessions, send bytes and
 * messages. Functions, names and error codes are those of OpenHarmony's public headers, cut to what a device without
 * an allocator needs; docs/softbus.md is the adapter's manual.
 *
 * The firmware owns all memory: it gives a SoftBus with its rings, then calls SoftBusPoll until it returns false
 * whenever SoftBusIrq was called or it has time. Callbacks run inside SoftBusPoll; their pointers are valid until they
 * return, and any function here may be called from them. Calls that wait for a peer return at once, and a callback
 * tells how they ended.
 */
#ifndef SOFTBUS_H
#define SOFTBUS_H

#include <stdbool.h>
#include <stdint.h>

/* Error codes of the public headers (softbus_error_code.h). */
enum {
    SOFTBUS_OK = 0,
    SOFTBUS_INVALID_PARAM = -426442749,
    SOFTBUS_TIMOUT = -426442750, /* as the public header spells it */
    SOFTBUS_NOT_IMPLEMENT = -426442747,
    SOFTBUS_PERMISSION_DENIED = -426442743,
    SOFTBUS_DECRYPT_ERR = -426442738,
    SOFTBUS_INVALID_DATA_HEAD = -426442731,
    SOFTBUS_TRANS_INVALID_SESSION_ID = -426115070,
    SOFTBUS_TRANS_SESSION_CNT_EXCEEDS_LIMIT = -426115065,
    SOFTBUS_TRANS_SESSION_OPENING = -426115063,
    SOFTBUS_TRANS_SESSION_NO_ENABLE = -426115030,
    SOFTBUS_TRANS_SEND_LEN_BEYOND_LIMIT = -426115018,
    SOFTBUS_TRANS_HANDSHAKE_TIMEOUT = -426115009,
    SOFTBUS_TRANS_PEER_SESSION_NOT_CREATED = -426115007,
    SOFTBUS_NETWORK_NOT_FOUND = -426049509,
    SOFTBUS_AUTH_TIMEOUT = -425983980,
};

/* Capabilities: bits of the discovery bitmap. */
enum {
    CAPABILITY_HICALL = 1 << 0,
    CAPABILITY_PROFILE = 1 << 1,
    CAPABILITY_HOMEVISIONPIC = 1 << 2,
    CAPABILITY_CASTPLUS = 1 << 3,
    CAPABILITY_AA = 1 << 4,
    CAPABILITY_DVKIT = 1 << 5,
    CAPABILITY_DDMP = 1 << 6,
    CAPABILITY_OSD = 1 << 7,
    CAPABILITY_SHARE = 1 << 8,
};

/* Who speaks first. */
enum DiscoverMode {
    DISCOVER_MODE_PASSIVE = 0x55, /* answers only */
    DISCOVER_MODE_ACTIVE = 0xAA, /* broadcasts */
};

/* Over what. */
enum ExchangeMedium {
    MEDIUM_AUTO, /* what there is: CoAP */
    MEDIUM_BLE, /* SOFTBUS_NOT_IMPLEMENT */
    MEDIUM_COAP,
    MEDIUM_USB, /* SOFTBUS_NOT_IMPLEMENT */
};

/* How often: broadcasts in their span. */
enum ExchangeFreq {
    EXCHANGE_LOW, /* 12 in 5 s */
    EXCHANGE_MID, /* 24 in 5 s */
    EXCHANGE_HIGH, /* 36 in 5 s */
    EXCHANGE_SUPER_HIGH, /* 48 in 10 s */
    EXCHANGE_STANDARD, /* 12: after 100, 200, 200, then every 500 ms */
};

/* Device types that come with a found device. */
enum {
    TYPE_PHONE = 0x0E,
    TYPE_PAD = 0x11,
    TYPE_TV = 0x9C,
    TYPE_PC = 0x0C,
    TYPE_AUDIO = 0x0A,
    TYPE_CAR = 0x83,
    TYPE_WATCH = 0x6D,
    TYPE_L0 = 0xF1,
    TYPE_L1 = 0xF2,
};

/* A service that is published or sought. */
typedef struct {
    uint32_t id; /* the caller's number for it */
    enum DiscoverMode mode;
    enum ExchangeMedium medium;
    enum ExchangeFreq freq;
    uint32_t capability;
    const void *data; /* of the capability, at most 512 bytes; may be NULL when dataLen is 0 */
    uint32_t dataLen;
} PublishInfo, SubscribeInfo;

/* A device, as callbacks name it. */
typedef struct {
    const char *udid; /* its network id */
    const char *name;
    const char *ip;
    uint32_t type; /* of a found device; else 0 */
    uint32_t capability; /* of a found device; else 0 */
} NodeInfo;

/* What the firmware wants to hear; any may be NULL. */
typedef struct {
    void (*OnPublishResult)(uint32_t publishId, int32_t result);
    void (*OnDiscoverResult)(uint32_t subscribeId, int32_t result);
    void (*OnDeviceFound)(const NodeInfo *device);
    void (*OnJoinResult)(const char *udid, int32_t result);
    void (*OnNodeOnline)(const NodeInfo *device);
    void (*OnNodeOffline)(const char *udid);
    /* A device that was left let go too, or SOFTBUS_TIMOUT after 5 s. */
    void (*OnLeaveResult)(const char *udid, int32_t result);
    /* A session that this side asked for (or the peer, when byPeer) is open, or `result` says why not. Returning other
     * than 0 rejects an open one: it is closed. */
    int32_t (*OnSessionOpened)(int32_t sessionId, int32_t result, const char *name, const char *udid, bool byPeer);
    void (*OnSessionClosed)(int32_t sessionId);
    void (*OnBytesReceived)(int32_t sessionId, const void *data, uint32_t len);
    void (*OnMessageReceived)(int32_t sessionId, const void *data, uint32_t len);
    /* The peer acknowledged message `number`, or `result` says why not. */
    void (*OnMessageSent)(int32_t sessionId, uint32_t number, int32_t result);
} SoftBusCallback;

/* The adapter's registers. */
typedef struct {
    volatile uint32_t ID;
    volatile uint32_t VERSION;
    volatile uint32_t CTRL;
    volatile uint32_t STATUS;
    volatile uint32_t INT_STS;
    volatile uint32_t INT_EN;
    volatile uint32_t CMD_BASE;
    volatile uint32_t CMD_SIZE;
    volatile uint32_t CMD_HEAD;
    volatile uint32_t CMD_TAIL;
    volatile uint32_t EVT_BASE;
    volatile uint32_t EVT_SIZE;
    volatile uint32_t EVT_HEAD;
    volatile uint32_t EVT_TAIL;
} SoftBusAdapter;

#define SOFTBUS_EVENT_RING 8192u /* bytes; more than 32 above the longest payload to receive */

typedef struct {
    uint32_t op, tag, args[3], buffer, length;
    volatile int32_t result;
} SoftBusCommand;

/* Everything the soft bus needs; the firmware places it, for example as a static. */
typedef struct {
    SoftBusAdapter *adapter;
    const SoftBusCallback *callback;
    SoftBusCommand commands[2];
    uint8_t events[SOFTBUS_EVENT_RING] __attribute__((aligned(8)));
} SoftBus;

/* Starts a fresh node on the adapter at `adapter`: nothing is published, joined or open. SOFTBUS_NETWORK_NOT_FOUND
 * when there is no adapter. */
int32_t SoftBusStart(SoftBus *bus, SoftBusAdapter *adapter, const SoftBusCallback *callback);
/* Stops it; peers find out by themselves. */
void SoftBusStop(SoftBus *bus);
/* Clears the adapter's interrupt: call it from the handler. */
void SoftBusIrq(SoftBus *bus);
/* Whether events wait. */
bool SoftBusHasEvent(const SoftBus *bus);
/* Takes one event and calls its callback; false when there was none. */
bool SoftBusPoll(SoftBus *bus);
/* This device's UDID, with its NUL; its length or an error code. */
int32_t GetLocalUdid(SoftBus *bus, char *udid, uint32_t size);

int32_t PublishLNN(SoftBus *bus, const PublishInfo *info);
int32_t StopPublishLNN(SoftBus *bus, uint32_t publishId);
int32_t RefreshLNN(SoftBus *bus, const SubscribeInfo *info);
int32_t StopRefreshLNN(SoftBus *bus, uint32_t subscribeId);
int32_t JoinLNN(SoftBus *bus, const char *udid);
/* The device is offline and its sessions are closed when this returns; OnLeaveResult follows. */
int32_t LeaveLNN(SoftBus *bus, const char *udid);

/* package at most 64, name at most 255 characters. */
int32_t CreateSessionServer(SoftBus *bus, const char *package, const char *name);
int32_t RemoveSessionServer(SoftBus *bus, const char *name);
/* The session's number, before it is open; OnSessionOpened follows. */
int32_t OpenSession(SoftBus *bus, const char *name, const char *peerName, const char *udid);
int32_t CloseSession(SoftBus *bus, int32_t sessionId);
int32_t SendBytes(SoftBus *bus, int32_t sessionId, const void *data, uint32_t len);
/* The message's number; OnMessageSent follows. */
int32_t SendMessage(SoftBus *bus, int32_t sessionId, const void *data, uint32_t len);
/* SOFTBUS_NOT_IMPLEMENT. */
int32_t SendFile(SoftBus *bus, int32_t sessionId);
/* SOFTBUS_NOT_IMPLEMENT. */
int32_t SendStream(SoftBus *bus, int32_t sessionId);

#endif
