/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The touch panel: a virtio input device (Virtio 1.1, 4.2.2 and 5.8), whose events are Linux'. */
#include "touch.h"

#include "board.h"

#define MAGIC (TOUCH + 0x000u)
#define DEVICE_ID (TOUCH + 0x008u)
#define DRIVER_FEATURES (TOUCH + 0x020u)
#define DRIVER_FEATURES_SEL (TOUCH + 0x024u)
#define QUEUE_SEL (TOUCH + 0x030u)
#define QUEUE_NUM (TOUCH + 0x038u)
#define QUEUE_READY (TOUCH + 0x044u)
#define QUEUE_NOTIFY (TOUCH + 0x050u)
#define INTERRUPT_STATUS (TOUCH + 0x060u)
#define INTERRUPT_ACK (TOUCH + 0x064u)
#define STATUS (TOUCH + 0x070u)
#define QUEUE_DESC (TOUCH + 0x080u)
#define QUEUE_DRIVER (TOUCH + 0x090u)
#define QUEUE_DEVICE (TOUCH + 0x0a0u)

#define MAGIC_VALUE 0x74726976u
#define ID_INPUT 18u
#define ACKNOWLEDGE 1u
#define DRIVER 2u
#define DRIVER_OK 4u
#define FEATURES_OK 8u
#define VERSION_1_HIGH 1u /* VIRTIO_F_VERSION_1, bit 32 */
#define DEVICE_WRITES 2u

#define EV_KEY 1u
#define EV_ABS 3u
#define ABS_X 0u
#define ABS_Y 1u
#define BTN_TOUCH 0x14au

#define EVENTS 16u

typedef struct {
    uint16_t type;
    uint16_t code;
    uint32_t value;
} Event;

typedef struct {
    uint64_t address;
    uint32_t length;
    uint16_t flags;
    uint16_t next;
} Descriptor;

static Descriptor g_descriptors[EVENTS] __attribute__((aligned(16)));
static volatile struct {
    uint16_t flags;
    uint16_t index;
    uint16_t ring[EVENTS];
} g_available __attribute__((aligned(4)));
static volatile struct {
    uint16_t flags;
    uint16_t index;
    struct {
        uint32_t id;
        uint32_t length;
    } ring[EVENTS];
} g_used __attribute__((aligned(4)));
static volatile Event g_events[EVENTS];

static uint16_t g_seen;
static uint32_t g_x;
static uint32_t g_y;
static volatile bool g_tapped;

static void WriteAddress(uint64_t at, const volatile void *what)
{
    Write32(at, (uint32_t)(uint64_t)what);
    Write32(at + 4u, (uint32_t)((uint64_t)what >> 32));
}

static void Offer(uint16_t descriptor)
{
    g_available.ring[g_available.index % EVENTS] = descriptor;
    __asm volatile("dmb sy" ::: "memory");
    ++g_available.index;
}

void TouchInit(void)
{
    if (Read32(MAGIC) != MAGIC_VALUE || Read32(DEVICE_ID) != ID_INPUT) {
        return;
    }
    Write32(STATUS, 0);
    Write32(STATUS, ACKNOWLEDGE | DRIVER);
    Write32(DRIVER_FEATURES_SEL, 1);
    Write32(DRIVER_FEATURES, VERSION_1_HIGH);
    Write32(STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK);
    Write32(QUEUE_SEL, 0);
    Write32(QUEUE_NUM, EVENTS);
    WriteAddress(QUEUE_DESC, g_descriptors);
    WriteAddress(QUEUE_DRIVER, &g_available);
    WriteAddress(QUEUE_DEVICE, &g_used);
    for (uint16_t i = 0; i < EVENTS; ++i) {
        g_descriptors[i] = (Descriptor){(uint64_t)&g_events[i], sizeof g_events[i], DEVICE_WRITES, 0};
        Offer(i);
    }
    Write32(QUEUE_READY, 1);
    Write32(STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
    Write32(QUEUE_NOTIFY, 0);
    InterruptEnable(IRQ_TOUCH);
}

void TouchHandler(void)
{
    Write32(INTERRUPT_ACK, Read32(INTERRUPT_STATUS));
    for (; g_seen != g_used.index; ++g_seen) {
        uint16_t id = (uint16_t)(g_used.ring[g_seen % EVENTS].id % EVENTS);
        volatile const Event *event = &g_events[id];
        if (event->type == EV_ABS && event->code == ABS_X) {
            g_x = event->value;
        } else if (event->type == EV_ABS && event->code == ABS_Y) {
            g_y = event->value;
        } else if (event->type == EV_KEY && event->code == BTN_TOUCH && event->value != 0) {
            g_tapped = true; /* its place came before it */
        }
        Offer(id);
    }
    Write32(QUEUE_NOTIFY, 0);
}

bool TouchHasTap(void)
{
    return g_tapped;
}

void TouchTake(uint32_t *x, uint32_t *y)
{
    g_tapped = false;
    *x = g_x;
    *y = g_y;
}
