/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SMSC LAN9118 Ethernet controller; register names and section numbers are those of its data sheet. */
#ifndef LAN9118_H
#define LAN9118_H

#include <stdbool.h>
#include <stdint.h>

#include "mps2.h"

#define LAN_REG(offset) (*(volatile uint32_t *)(LAN9118_BASE + (offset)))
#define LAN_RX_DATA_FIFO LAN_REG(0x00)
#define LAN_TX_DATA_FIFO LAN_REG(0x20)
#define LAN_RX_STATUS_FIFO LAN_REG(0x40)
#define LAN_RX_STATUS_PEEK LAN_REG(0x44)
#define LAN_TX_STATUS_FIFO LAN_REG(0x48)
#define LAN_TX_STATUS_PEEK LAN_REG(0x4C)
#define LAN_ID_REV LAN_REG(0x50)
#define LAN_IRQ_CFG LAN_REG(0x54)
#define LAN_INT_STS LAN_REG(0x58)
#define LAN_INT_EN LAN_REG(0x5C)
#define LAN_BYTE_TEST LAN_REG(0x64)
#define LAN_FIFO_INT LAN_REG(0x68)
#define LAN_RX_CFG LAN_REG(0x6C)
#define LAN_TX_CFG LAN_REG(0x70)
#define LAN_HW_CFG LAN_REG(0x74)
#define LAN_RX_DP_CTRL LAN_REG(0x78)
#define LAN_RX_FIFO_INF LAN_REG(0x7C)
#define LAN_TX_FIFO_INF LAN_REG(0x80)
#define LAN_PMT_CTRL LAN_REG(0x84)
#define LAN_GPIO_CFG LAN_REG(0x88)
#define LAN_GPT_CFG LAN_REG(0x8C)
#define LAN_GPT_CNT LAN_REG(0x90)
#define LAN_WORD_SWAP LAN_REG(0x98)
#define LAN_FREE_RUN LAN_REG(0x9C)
#define LAN_RX_DROP LAN_REG(0xA0)
#define LAN_MAC_CSR_CMD LAN_REG(0xA4)
#define LAN_MAC_CSR_DATA LAN_REG(0xA8)
#define LAN_AFC_CFG LAN_REG(0xAC)
#define LAN_E2P_CMD LAN_REG(0xB0)
#define LAN_E2P_DATA LAN_REG(0xB4)

#define LAN_BYTE_TEST_VALUE 0x87654321u
#define LAN_IRQ_CFG_PUSH_PULL (1u << 0)
#define LAN_IRQ_CFG_ACTIVE_HIGH (1u << 4)
#define LAN_IRQ_CFG_IRQ_EN (1u << 8)
#define LAN_IRQ_CFG_IRQ_INT (1u << 12)
#define LAN_INT_RSFL (1u << 3)
#define LAN_INT_TSFL (1u << 7)
#define LAN_INT_TDFA (1u << 9)
#define LAN_INT_TXE (1u << 13)
#define LAN_INT_RXE (1u << 14)
#define LAN_INT_PHY (1u << 18)
#define LAN_INT_GPT (1u << 19)
#define LAN_INT_TX_IOC (1u << 21)
#define LAN_INT_SW (1u << 31)
#define LAN_HW_CFG_SRST (1u << 0)
#define LAN_HW_CFG_SF (1u << 20)
#define LAN_HW_CFG_TX_FIF_SZ(kib) ((uint32_t)(kib) << 16)
#define LAN_RX_CFG_RX_DUMP (1u << 15)
#define LAN_TX_CFG_TX_ON (1u << 1)
#define LAN_TX_CFG_STOP_TX (1u << 0)
#define LAN_TX_CFG_TXD_DUMP (1u << 14)
#define LAN_TX_CFG_TXS_DUMP (1u << 15)
#define LAN_RX_DP_FFWD (1u << 31)
#define LAN_PMT_READY (1u << 0)
#define LAN_CSR_BUSY (1u << 31)
#define LAN_CSR_READ (1u << 30)
#define LAN_E2P_BUSY (1u << 31)

/* Status words of the two FIFOs (3.13.3, 3.12.4) and TX commands (3.12.2). */
#define LAN_RX_STS_LENGTH(status) (((status) >> 16) & 0x3FFFu)
#define LAN_RX_STS_ERROR (1u << 15)
#define LAN_RX_STS_BROADCAST (1u << 13)
#define LAN_TX_STS_ERROR (1u << 15)
#define LAN_TX_A_IOC (1u << 31)
#define LAN_TX_A_FIRST (1u << 13)
#define LAN_TX_A_LAST (1u << 12)

/* MAC control and status registers, reached through MAC_CSR_CMD (5.4). */
enum { MAC_CR = 1, MAC_ADDRH, MAC_ADDRL, MAC_HASHH, MAC_HASHL, MAC_MII_ACC, MAC_MII_DATA, MAC_FLOW, MAC_VLAN1 };
#define MAC_CR_RXEN (1u << 2)
#define MAC_CR_TXEN (1u << 3)
#define MAC_CR_BCAST (1u << 11) /* one disables broadcast reception */
#define MAC_CR_PRMS (1u << 18)
#define MAC_CR_MCPAS (1u << 19)
#define MAC_CR_FDPX (1u << 20)
#define MAC_CR_RXALL (1u << 31)
#define MII_BUSY (1u << 0)
#define MII_WRITE (1u << 1)

/* PHY registers (5.5). */
enum { PHY_BCR = 0, PHY_BSR, PHY_ID1, PHY_ID2, PHY_ANAR, PHY_ANLPAR, PHY_INT_SRC = 29, PHY_INT_MASK = 30 };
#define PHY_BSR_LINK (1u << 2)
#define PHY_INT_LINK_DOWN (1u << 4)
#define PHY_INT_AUTONEG_DONE (1u << 6)

/* All four wait, with a bound, for the command to end; a broken part reads as 0. */
uint32_t LanMacRead(uint32_t index);
void LanMacWrite(uint32_t index, uint32_t value);
uint32_t LanPhyRead(uint32_t index);
void LanPhyWrite(uint32_t index, uint32_t value);

#define ETH_FRAME_MAX 1514u
#define ETH_ADDRESS_SIZE 6u

typedef struct {
    uint32_t length; /* without the FCS */
    uint8_t bytes[(ETH_FRAME_MAX + 4u + 3u) & ~3u] __attribute__((aligned(4)));
} EthFrame;

/* Resets the controller and starts it with interrupts; false when it does not answer. */
bool EthInit(void);

/* The station address that the EEPROM or the board gave the MAC. */
void EthAddress(uint8_t address[ETH_ADDRESS_SIZE]);

/* Queues one frame; false when the TX FIFO has no room for it. */
bool EthSend(const uint8_t *bytes, uint32_t length);

/* The oldest received frame or NULL; it stays valid until EthRelease. */
const EthFrame *EthReceive(void);
void EthRelease(void);

/* True while there is a frame to receive. */
bool EthHasFrame(void);

/* The PHY's link state, kept current by its interrupt. */
bool EthLinkIsUp(void);

#endif
