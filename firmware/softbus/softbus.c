/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "softbus.h"

#include <stddef.h>

#define ADAPTER_ID 0x53554253u
#define CTRL_ENABLE (1u << 0)
#define STATUS_EVENTS (1u << 1)
#define INT_EVENT (1u << 1)
#define INT_ALL 7u
#define NAMES_SIZE 1024u /* of all strings of one command */

enum Op {
    OP_PUBLISH = 1,
    OP_UNPUBLISH,
    OP_REFRESH,
    OP_STOP_REFRESH,
    OP_JOIN,
    OP_LEAVE,
    OP_CREATE_SERVER,
    OP_REMOVE_SERVER,
    OP_OPEN_SESSION,
    OP_CLOSE_SESSION,
    OP_SEND_BYTES,
    OP_SEND_MESSAGE,
    OP_SEND_FILE,
    OP_SEND_STREAM,
    OP_LOCAL_UDID,
};

enum EventKind {
    EVENT_NONE,
    EVENT_PUBLISHED,
    EVENT_DISCOVERING,
    EVENT_FOUND,
    EVENT_JOINED,
    EVENT_ONLINE,
    EVENT_OFFLINE,
    EVENT_SESSION_OPENED,
    EVENT_SESSION_CLOSED,
    EVENT_BYTES,
    EVENT_MESSAGE,
    EVENT_MESSAGE_SENT,
    EVENT_LEFT,
};

/* The head of an event in the ring; its text and data follow, each padded to 4 bytes. */
typedef struct {
    uint32_t length, kind, id;
    int32_t result;
    uint32_t extra, textLength, dataLength, reserved;
} EventHead;

/* The adapter reads and writes memory behind the compiler's back. */
static void MemoryBarrier(void)
{
    __asm volatile("dmb sy" ::: "memory");
}

/* Commands are carried out when CMD_HEAD is written: the result is there at once. */
static int32_t Do(SoftBus *bus, enum Op op, const uint32_t args[3], const void *buffer, uint32_t length)
{
    SoftBusAdapter *adapter = bus->adapter;
    uint32_t head = adapter->CMD_HEAD;
    SoftBusCommand *command = &bus->commands[head];

    command->op = op;
    command->tag = 0;
    for (uint32_t i = 0; i < 3; ++i) {
        command->args[i] = args == NULL ? 0 : args[i];
    }
    command->buffer = (uint32_t)(uintptr_t)buffer;
    command->length = length;
    command->result = SOFTBUS_INVALID_PARAM;
    MemoryBarrier();
    adapter->CMD_HEAD = head ^ 1u;
    MemoryBarrier();
    return command->result;
}

static int32_t DoWithId(SoftBus *bus, enum Op op, uint32_t id, const void *buffer, uint32_t length)
{
    return Do(bus, op, (const uint32_t[3]){id, 0, 0}, buffer, length);
}

/* Up to three strings, with a NUL behind each. */
static int32_t DoWithNames(SoftBus *bus, enum Op op, const char *const names[], uint32_t count)
{
    static char buffer[NAMES_SIZE];
    uint32_t length = 0;

    for (uint32_t i = 0; i < count; ++i) {
        const char *from = names[i];
        if (from == NULL) {
            return SOFTBUS_INVALID_PARAM;
        }
        do {
            if (length == NAMES_SIZE) {
                return SOFTBUS_INVALID_PARAM;
            }
            buffer[length++] = *from;
        } while (*from++ != '\0');
    }
    return Do(bus, op, NULL, buffer, length);
}

int32_t SoftBusStart(SoftBus *bus, SoftBusAdapter *adapter, const SoftBusCallback *callback)
{
    if (adapter->ID != ADAPTER_ID) {
        return SOFTBUS_NETWORK_NOT_FOUND;
    }
    bus->adapter = adapter;
    bus->callback = callback;
    adapter->CTRL = 0;
    adapter->CMD_BASE = (uint32_t)(uintptr_t)bus->commands;
    adapter->CMD_SIZE = sizeof bus->commands / sizeof bus->commands[0];
    adapter->EVT_BASE = (uint32_t)(uintptr_t)bus->events;
    adapter->EVT_SIZE = SOFTBUS_EVENT_RING;
    adapter->INT_STS = INT_ALL;
    adapter->INT_EN = INT_EVENT;
    adapter->CTRL = CTRL_ENABLE;
    return SOFTBUS_OK;
}

void SoftBusStop(SoftBus *bus)
{
    bus->adapter->CTRL = 0;
    bus->adapter->INT_EN = 0;
}

void SoftBusIrq(SoftBus *bus)
{
    bus->adapter->INT_STS = INT_ALL;
}

bool SoftBusHasEvent(const SoftBus *bus)
{
    return (bus->adapter->STATUS & STATUS_EVENTS) != 0;
}

/* The string behind another one, within the event's text. */
static const char *Behind(const char *text)
{
    while (*text != '\0') {
        ++text;
    }
    return text + 1;
}

#define CALL(name, ...) \
    do { \
        if (callback->name != NULL) { \
            callback->name(__VA_ARGS__); \
        } \
    } while (0)

static void Tell(SoftBus *bus, const EventHead *event, const char *text, const void *data)
{
    const SoftBusCallback *callback = bus->callback;
    NodeInfo node = {.udid = text};

    switch (event->kind) {
        case EVENT_PUBLISHED:
            CALL(OnPublishResult, event->id, event->result);
            break;
        case EVENT_DISCOVERING:
            CALL(OnDiscoverResult, event->id, event->result);
            break;
        case EVENT_FOUND:
        case EVENT_ONLINE:
            node.name = Behind(text);
            node.ip = Behind(node.name);
            if (event->kind == EVENT_FOUND) {
                node.type = event->id;
                node.capability = event->extra;
                CALL(OnDeviceFound, &node);
            } else {
                CALL(OnNodeOnline, &node);
            }
            break;
        case EVENT_JOINED:
            CALL(OnJoinResult, text, event->result);
            break;
        case EVENT_OFFLINE:
            CALL(OnNodeOffline, text);
            break;
        case EVENT_SESSION_OPENED:
            if (callback->OnSessionOpened != NULL
                && callback->OnSessionOpened((int32_t)event->id, event->result, text, Behind(text), event->extra != 0) != 0
                && event->result == SOFTBUS_OK) {
                (void)CloseSession(bus, (int32_t)event->id);
            }
            break;
        case EVENT_SESSION_CLOSED:
            CALL(OnSessionClosed, (int32_t)event->id);
            break;
        case EVENT_BYTES:
            CALL(OnBytesReceived, (int32_t)event->id, data, event->dataLength);
            break;
        case EVENT_MESSAGE:
            CALL(OnMessageReceived, (int32_t)event->id, data, event->dataLength);
            break;
        case EVENT_MESSAGE_SENT:
            CALL(OnMessageSent, (int32_t)event->id, event->extra, event->result);
            break;
        case EVENT_LEFT:
            CALL(OnLeaveResult, text, event->result);
            break;
        default: /* a newer adapter tells more */
            break;
    }
}

bool SoftBusPoll(SoftBus *bus)
{
    SoftBusAdapter *adapter = bus->adapter;

    for (;;) {
        uint32_t tail = adapter->EVT_TAIL;
        if (tail == adapter->EVT_HEAD) {
            return false;
        }
        MemoryBarrier();
        const EventHead *event = (const EventHead *)(bus->events + tail);
        uint32_t kind = event->kind;
        if (kind != EVENT_NONE) {
            const char *text = (const char *)(event + 1);
            Tell(bus, event, text, text + ((event->textLength + 3u) & ~3u));
        }
        /* The room is free once the callback has seen what lies there. */
        adapter->EVT_TAIL = (tail + event->length) % SOFTBUS_EVENT_RING;
        if (kind != EVENT_NONE) {
            return true;
        }
    }
}

int32_t GetLocalUdid(SoftBus *bus, char *udid, uint32_t size)
{
    return Do(bus, OP_LOCAL_UDID, NULL, udid, size);
}

static int32_t DoService(SoftBus *bus, enum Op op, const PublishInfo *info)
{
    uint32_t how = (uint32_t)info->mode | (uint32_t)info->freq << 8 | (uint32_t)info->medium << 16;
    return Do(bus, op, (const uint32_t[3]){info->id, info->capability, how}, info->data, info->dataLen);
}

int32_t PublishLNN(SoftBus *bus, const PublishInfo *info)
{
    return DoService(bus, OP_PUBLISH, info);
}

int32_t StopPublishLNN(SoftBus *bus, uint32_t publishId)
{
    return DoWithId(bus, OP_UNPUBLISH, publishId, NULL, 0);
}

int32_t RefreshLNN(SoftBus *bus, const SubscribeInfo *info)
{
    return DoService(bus, OP_REFRESH, info);
}

int32_t StopRefreshLNN(SoftBus *bus, uint32_t subscribeId)
{
    return DoWithId(bus, OP_STOP_REFRESH, subscribeId, NULL, 0);
}

int32_t JoinLNN(SoftBus *bus, const char *udid)
{
    return DoWithNames(bus, OP_JOIN, &udid, 1);
}

int32_t LeaveLNN(SoftBus *bus, const char *udid)
{
    return DoWithNames(bus, OP_LEAVE, &udid, 1);
}

int32_t CreateSessionServer(SoftBus *bus, const char *package, const char *name)
{
    return DoWithNames(bus, OP_CREATE_SERVER, (const char *const[]){package, name}, 2);
}

int32_t RemoveSessionServer(SoftBus *bus, const char *name)
{
    return DoWithNames(bus, OP_REMOVE_SERVER, &name, 1);
}

int32_t OpenSession(SoftBus *bus, const char *name, const char *peerName, const char *udid)
{
    return DoWithNames(bus, OP_OPEN_SESSION, (const char *const[]){name, peerName, udid}, 3);
}

int32_t CloseSession(SoftBus *bus, int32_t sessionId)
{
    return DoWithId(bus, OP_CLOSE_SESSION, (uint32_t)sessionId, NULL, 0);
}

int32_t SendBytes(SoftBus *bus, int32_t sessionId, const void *data, uint32_t len)
{
    return DoWithId(bus, OP_SEND_BYTES, (uint32_t)sessionId, data, len);
}

int32_t SendMessage(SoftBus *bus, int32_t sessionId, const void *data, uint32_t len)
{
    return DoWithId(bus, OP_SEND_MESSAGE, (uint32_t)sessionId, data, len);
}

int32_t SendFile(SoftBus *bus, int32_t sessionId)
{
    return DoWithId(bus, OP_SEND_FILE, (uint32_t)sessionId, NULL, 0);
}

int32_t SendStream(SoftBus *bus, int32_t sessionId)
{
    return DoWithId(bus, OP_SEND_STREAM, (uint32_t)sessionId, NULL, 0);
}
