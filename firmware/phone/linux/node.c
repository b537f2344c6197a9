/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The nodes' platform on Linux: eth0 by a packet socket, the console by files, time by the monotonic clock. */
#include "node.h"

#include <stdarg.h>
#include <stddef.h>

#include "echo.h"
#include "format.h"
#include "lan9118.h"
#include "mem.h"
#include "syscall.h"
#include "tick.h"
#include "uart.h"

#define AF_PACKET 17
#define SOCK_RAW 3
#define SOCK_NONBLOCK 04000
#define ETH_P_IP_BIG_ENDIAN 0x0008
#define SIOCGIFHWADDR 0x8927
#define SIOCGIFINDEX 0x8933
#define CLOCK_MONOTONIC 1
#define POLLIN 1
#define PACKET_OUTGOING 4
#define LINE_MAX 80u

typedef struct {
    uint16_t family;
    uint16_t protocol;
    int32_t index;
    uint16_t hardware;
    uint8_t type;
    uint8_t length;
    uint8_t address[8];
} PacketAddress;

typedef struct {
    char name[16];
    union {
        int32_t index;
        struct {
            uint16_t family;
            uint8_t bytes[14];
        } address;
        uint8_t room[24];
    } of;
} InterfaceRequest;

typedef struct {
    int64_t seconds;
    int64_t nanoseconds;
} Timespec;

typedef struct {
    int32_t fd;
    int16_t events;
    int16_t revents;
} PollFd;

static int32_t g_socket = -1;
static PacketAddress g_interface;
static uint8_t g_mac[ETH_ADDRESS_SIZE];
static EthFrame g_frame;
static bool g_hasFrame;
static int64_t g_start;
static uint8_t g_role;
static char g_line[LINE_MAX];
static uint32_t g_length;
static bool g_complete;
/* What is printed leaves line by line. */
static char g_out[160];
static uint32_t g_outLength;

static int64_t Milliseconds(void)
{
    Timespec now = {0, 0};
    (void)Call(SYS_CLOCK_GETTIME, CLOCK_MONOTONIC, (long)&now, 0, 0, 0, 0);
    return now.seconds * 1000 + now.nanoseconds / 1000000;
}

void TickInit(void)
{
    g_start = Milliseconds();
}

uint32_t TickNow(void)
{
    return (uint32_t)(Milliseconds() - g_start);
}

bool EthInit(void)
{
    InterfaceRequest request = {.name = "eth0"};
    g_socket = (int32_t)Call(SYS_SOCKET, AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, ETH_P_IP_BIG_ENDIAN, 0, 0, 0);
    if (g_socket < 0 || Call(SYS_IOCTL, g_socket, SIOCGIFINDEX, (long)&request, 0, 0, 0) < 0) {
        return false;
    }
    g_interface = (PacketAddress){.family = AF_PACKET, .protocol = ETH_P_IP_BIG_ENDIAN, .index = request.of.index};
    if (Call(SYS_IOCTL, g_socket, SIOCGIFHWADDR, (long)&request, 0, 0, 0) < 0) {
        return false;
    }
    memcpy(g_mac, request.of.address.bytes, sizeof g_mac);
    return Call(SYS_BIND, g_socket, (long)&g_interface, sizeof g_interface, 0, 0, 0) == 0;
}

void EthAddress(uint8_t address[ETH_ADDRESS_SIZE])
{
    memcpy(address, g_mac, ETH_ADDRESS_SIZE);
}

bool EthSend(const uint8_t *bytes, uint32_t length)
{
    return Call(SYS_SENDTO, g_socket, (long)bytes, length, 0, (long)&g_interface, sizeof g_interface) == (long)length;
}

const EthFrame *EthReceive(void)
{
    while (!g_hasFrame) {
        PacketAddress from = {0};
        int32_t size = sizeof from;
        long length = Call(SYS_RECVFROM, g_socket, (long)g_frame.bytes, sizeof g_frame.bytes, 0, (long)&from, (long)&size);
        if (length <= 0) {
            return NULL;
        }
        g_frame.length = (uint32_t)length;
        g_hasFrame = from.type != PACKET_OUTGOING;
    }
    return &g_frame;
}

void EthRelease(void)
{
    g_hasFrame = false;
}

/* The kernel has answered. */
void EchoAnswer(const EthFrame *frame, const UdpAddress *self)
{
    (void)frame;
    (void)self;
}

static void Flush(void)
{
    (void)Call(SYS_WRITE, 1, (long)g_out, g_outLength, 0, 0, 0);
    g_outLength = 0;
}

static void Put(char c)
{
    g_out[g_outLength++] = c;
    if (c == '\n' || g_outLength == sizeof g_out) {
        Flush();
    }
}

void PrintV(const char *format, va_list args)
{
    FormatV(Put, format, args);
}

void Print(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    PrintV(format, args);
    va_end(args);
}

const char *UartLine(void)
{
    if (!g_complete) {
        return NULL;
    }
    g_complete = false;
    return g_line;
}

static void TakeTyped(void)
{
    char c;
    while (!g_complete && Call(SYS_READ, 0, (long)&c, 1, 0, 0, 0) == 1) {
        if (c == '\n') {
            g_line[g_length] = '\0';
            g_complete = true;
            g_length = 0;
        } else if (g_length + 1u < LINE_MAX) {
            g_line[g_length++] = c;
        }
    }
}

void NodeStart(uint8_t role)
{
    g_role = role;
    TickInit();
    if (!EthInit()) {
        Print("%s: no eth0\n", RoleName(role));
        (void)Call(SYS_EXIT_GROUP, 1, 0, 0, 0, 0, 0);
    }
    UdpInit(role);
    NodeSay("up, %02x:%02x:%02x:%02x:%02x:%02x, 10.%u.%u.%u\n", g_mac[0], g_mac[1], g_mac[2], g_mac[3], g_mac[4],
        g_mac[5], role, g_mac[4], g_mac[5]);
}

uint8_t NodeRole(void)
{
    return g_role;
}

void NodeSay(const char *format, ...)
{
    va_list args;
    Print("%s-%u on Linux: ", RoleName(g_role), UdpNumber());
    va_start(args, format);
    PrintV(format, args);
    va_end(args);
}

void NodeAck(const UdpAddress *to, const Message *message)
{
    Message ack = {.kind = KIND_ACK, .sequence = message->sequence, .subject = message->subject, .time = TickNow()};
    MessageSend(to, &ack);
}

void NodeSleepUntil(uint32_t due)
{
    PollFd files[] = {{g_socket, POLLIN, 0}, {0, POLLIN, 0}};
    int32_t left = (int32_t)(due - TickNow());
    if (left <= 0 || EthReceive() != NULL) {
        return;
    }
    Timespec wait = {left / 1000, left % 1000 * 1000000};
    (void)Call(SYS_PPOLL, (long)files, 2, (long)&wait, 0, 0, 0);
    if ((files[1].revents & POLLIN) != 0) {
        TakeTyped();
    }
}
