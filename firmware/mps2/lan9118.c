/* SPDX-License-Identifier: GPL-2.0-or-later */
/* LAN9118 driver: the interrupt moves frames from the RX FIFO to a ring; sending writes the TX FIFO directly. */
#include "lan9118.h"

#include <stddef.h>

#include "cortexm.h"
#include "mem.h"

#define PHY_ADDRESS 1u
#define POLL_LIMIT 100000u /* bounds every start-up wait: 4 ms or more at 25 MHz */
#define RING_SIZE 8u       /* a power of two: the indices run free */

static EthFrame g_ring[RING_SIZE];
static volatile uint32_t g_ringHead; /* written by the interrupt */
static volatile uint32_t g_ringTail; /* written by the program */
static volatile bool g_linkChanged;
static bool g_linkIsUp;

static bool WaitClear(volatile uint32_t *reg, uint32_t bits)
{
    for (uint32_t i = 0; i < POLL_LIMIT; ++i) {
        if ((*reg & bits) == 0) {
            return true;
        }
    }
    return false;
}

uint32_t LanMacRead(uint32_t index)
{
    LAN_MAC_CSR_CMD = LAN_CSR_BUSY | LAN_CSR_READ | index;
    return WaitClear(&LAN_MAC_CSR_CMD, LAN_CSR_BUSY) ? LAN_MAC_CSR_DATA : 0;
}

void LanMacWrite(uint32_t index, uint32_t value)
{
    LAN_MAC_CSR_DATA = value;
    LAN_MAC_CSR_CMD = LAN_CSR_BUSY | index;
    (void)WaitClear(&LAN_MAC_CSR_CMD, LAN_CSR_BUSY);
}

static void MiiStart(uint32_t index, uint32_t command)
{
    LanMacWrite(MAC_MII_ACC, (PHY_ADDRESS << 11) | (index << 6) | command | MII_BUSY);
    for (uint32_t i = 0; i < POLL_LIMIT && (LanMacRead(MAC_MII_ACC) & MII_BUSY) != 0; ++i) {
    }
}

uint32_t LanPhyRead(uint32_t index)
{
    MiiStart(index, 0);
    return LanMacRead(MAC_MII_DATA) & 0xFFFFu;
}

void LanPhyWrite(uint32_t index, uint32_t value)
{
    LanMacWrite(MAC_MII_DATA, value);
    MiiStart(index, MII_WRITE);
}

bool EthInit(void)
{
    /* BYTE_TEST reads right once the part is awake (5.3.6). */
    for (uint32_t i = 0; LAN_BYTE_TEST != LAN_BYTE_TEST_VALUE; ++i) {
        if (i == POLL_LIMIT) {
            return false;
        }
    }
    LAN_HW_CFG = LAN_HW_CFG_SRST;
    if (!WaitClear(&LAN_HW_CFG, LAN_HW_CFG_SRST) || !WaitClear(&LAN_E2P_CMD, LAN_E2P_BUSY)) {
        return false;
    }
    LAN_HW_CFG = LAN_HW_CFG_SF | LAN_HW_CFG_TX_FIF_SZ(5);
    LAN_INT_EN = 0;
    LAN_INT_STS = 0xFFFFFFFFu;
    /* The MPS2's NVIC wants an active-high push-pull line; the part resets to active-low open drain (5.3.2). */
    LAN_IRQ_CFG = LAN_IRQ_CFG_IRQ_EN | LAN_IRQ_CFG_ACTIVE_HIGH | LAN_IRQ_CFG_PUSH_PULL;
    LAN_FIFO_INT = 0; /* an interrupt as soon as one RX or TX status is there */
    LAN_RX_CFG = 0;
    LAN_TX_CFG = LAN_TX_CFG_TX_ON;
    LanMacWrite(MAC_CR, MAC_CR_FDPX | MAC_CR_TXEN | MAC_CR_RXEN);

    (void)LanPhyRead(PHY_INT_SRC); /* reading clears what start-up left there */
    LanPhyWrite(PHY_INT_MASK, PHY_INT_AUTONEG_DONE | PHY_INT_LINK_DOWN);
    g_linkChanged = true;
    LAN_INT_EN = LAN_INT_RSFL | LAN_INT_TSFL | LAN_INT_PHY;
    NvicEnable(IRQ_ETHERNET);
    return true;
}

void EthAddress(uint8_t address[ETH_ADDRESS_SIZE])
{
    uint32_t low = LanMacRead(MAC_ADDRL);
    uint32_t high = LanMacRead(MAC_ADDRH);
    for (uint32_t i = 0; i < 4; ++i) {
        address[i] = (uint8_t)(low >> (8 * i));
    }
    address[4] = (uint8_t)high;
    address[5] = (uint8_t)(high >> 8);
}

bool EthSend(const uint8_t *bytes, uint32_t length)
{
    uint32_t words = (length + 3u) / 4u;
    if (length > ETH_FRAME_MAX || (LAN_TX_FIFO_INF & 0xFFFFu) < words * 4u + 8u) {
        return false;
    }
    LAN_TX_DATA_FIFO = LAN_TX_A_FIRST | LAN_TX_A_LAST | length;
    LAN_TX_DATA_FIFO = length;
    for (uint32_t i = 0; i < words; ++i) {
        uint32_t word = 0;
        uint32_t left = length - i * 4u;
        memcpy(&word, &bytes[i * 4u], left < 4u ? left : 4u);
        LAN_TX_DATA_FIFO = word;
    }
    return true;
}

/* Throws the current frame away, word by word: it happens too rarely for RX_DP_CTRL's fast-forward. */
static void DiscardFrame(uint32_t words)
{
    while (words-- != 0) {
        (void)LAN_RX_DATA_FIFO;
    }
}

static void ReceiveFrame(void)
{
    uint32_t status = LAN_RX_STATUS_FIFO;
    uint32_t length = LAN_RX_STS_LENGTH(status);
    uint32_t words = (length + 3u) / 4u;
    bool full = g_ringHead - g_ringTail == RING_SIZE;
    if (full || (status & LAN_RX_STS_ERROR) != 0 || length < 4u || length > ETH_FRAME_MAX + 4u) {
        DiscardFrame(words);
        return;
    }
    EthFrame *frame = &g_ring[g_ringHead % RING_SIZE];
    for (uint32_t i = 0; i < words; ++i) {
        uint32_t word = LAN_RX_DATA_FIFO;
        memcpy(&frame->bytes[i * 4u], &word, 4);
    }
    frame->length = length - 4u;
    ++g_ringHead;
}

void EthernetHandler(void)
{
    uint32_t status = LAN_INT_STS;
    LAN_INT_STS = status & ~LAN_INT_PHY; /* the PHY bit follows the PHY's own source register */
    while (((LAN_TX_FIFO_INF >> 16) & 0xFFu) != 0) {
        (void)LAN_TX_STATUS_FIFO;
    }
    while (((LAN_RX_FIFO_INF >> 16) & 0xFFu) != 0) {
        ReceiveFrame();
    }
    if ((status & LAN_INT_PHY) != 0) {
        /* MAC CSR accesses belong to the program: mask the source until it has looked. */
        LAN_INT_EN &= ~LAN_INT_PHY;
        g_linkChanged = true;
    }
}

const EthFrame *EthReceive(void)
{
    return EthHasFrame() ? &g_ring[g_ringTail % RING_SIZE] : NULL;
}

void EthRelease(void)
{
    ++g_ringTail;
}

bool EthHasFrame(void)
{
    return g_ringHead != g_ringTail;
}

bool EthLinkIsUp(void)
{
    if (g_linkChanged) {
        g_linkChanged = false;
        (void)LanPhyRead(PHY_INT_SRC);
        (void)LanPhyRead(PHY_BSR); /* latches a past link-down (5.5.2); the second read is the present */
        g_linkIsUp = (LanPhyRead(PHY_BSR) & PHY_BSR_LINK) != 0;
        LAN_INT_EN |= LAN_INT_PHY;
    }
    return g_linkIsUp;
}
