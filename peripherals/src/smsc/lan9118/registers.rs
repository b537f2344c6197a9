//! The registers of the host interface (data sheet chapter 5.3).

use consort_core::component::{Coverage, Field, Register};

use crate::block;

pub(super) const RX_DATA_FIFO_PORT: u32 = 0x00;
pub(super) const TX_DATA_FIFO_PORT: u32 = 0x20;
pub(super) const RX_STATUS_FIFO_PORT: u32 = 0x40;
pub(super) const RX_STATUS_FIFO_PEEK: u32 = 0x44;
pub(super) const TX_STATUS_FIFO_PORT: u32 = 0x48;
pub(super) const TX_STATUS_FIFO_PEEK: u32 = 0x4C;
pub(super) const ID_REV: u32 = 0x50;
pub(super) const IRQ_CFG: u32 = 0x54;
pub(super) const INT_STS: u32 = 0x58;
pub(super) const INT_EN: u32 = 0x5C;
pub(super) const BYTE_TEST: u32 = 0x64;
pub(super) const FIFO_INT: u32 = 0x68;
pub(super) const RX_CFG: u32 = 0x6C;
pub(super) const TX_CFG: u32 = 0x70;
pub(super) const HW_CFG: u32 = 0x74;
pub(super) const RX_DP_CTRL: u32 = 0x78;
pub(super) const RX_FIFO_INF: u32 = 0x7C;
pub(super) const TX_FIFO_INF: u32 = 0x80;
pub(super) const PMT_CTRL: u32 = 0x84;
pub(super) const GPIO_CFG: u32 = 0x88;
pub(super) const GPT_CFG: u32 = 0x8C;
pub(super) const GPT_CNT: u32 = 0x90;
pub(super) const WORD_SWAP: u32 = 0x98;
pub(super) const FREE_RUN: u32 = 0x9C;
pub(super) const RX_DROP: u32 = 0xA0;
pub(super) const MAC_CSR_CMD: u32 = 0xA4;
pub(super) const MAC_CSR_DATA: u32 = 0xA8;
pub(super) const AFC_CFG: u32 = 0xAC;
pub(super) const E2P_CMD: u32 = 0xB0;
pub(super) const E2P_DATA: u32 = 0xB4;

pub(super) const IRQ_CFG_WRITABLE: u32 = 0xFF00_0111;
/// IRQ_POL and IRQ_TYPE survive a soft reset.
pub(super) const IRQ_CFG_STICKY: u32 = 0x11;
pub(super) const IRQ_DEAS_CLR: u32 = 1 << 14;
pub(super) const IRQ_DEAS_STS: u32 = 1 << 13;
pub(super) const IRQ_INT: u32 = 1 << 12;
pub(super) const IRQ_EN: u32 = 1 << 8;
pub(super) const IRQ_POL: u32 = 1 << 4;
pub(super) const IRQ_TYPE: u32 = 1 << 0;
/// Push-pull and active high.
pub(super) const ACTIVE_HIGH: u32 = IRQ_TYPE | IRQ_POL;

pub(super) const SW_INT: u32 = 1 << 31;
pub(super) const TXSTOP_INT: u32 = 1 << 25;
pub(super) const RXSTOP_INT: u32 = 1 << 24;
pub(super) const RXDFH_INT: u32 = 1 << 23;
pub(super) const TX_IOC_INT: u32 = 1 << 21;
pub(super) const RXD_INT: u32 = 1 << 20;
pub(super) const GPT_INT: u32 = 1 << 19;
pub(super) const PHY_INT: u32 = 1 << 18;
pub(super) const TXSO_INT: u32 = 1 << 16;
pub(super) const RWT_INT: u32 = 1 << 15;
pub(super) const RXE_INT: u32 = 1 << 14;
pub(super) const TXE_INT: u32 = 1 << 13;
pub(super) const TDFO_INT: u32 = 1 << 10;
pub(super) const TDFA_INT: u32 = 1 << 9;
pub(super) const TSFF_INT: u32 = 1 << 8;
pub(super) const TSFL_INT: u32 = 1 << 7;
pub(super) const RXDF_INT: u32 = 1 << 6;
pub(super) const RSFF_INT: u32 = 1 << 4;
pub(super) const RSFL_INT: u32 = 1 << 3;
pub(super) const ALL_INTS: u32 = 0x83BF_EFDF;

pub(super) const RX_CFG_WRITABLE: u32 = 0xCFFF_1F00;
pub(super) const RX_CFG_DUMP: u32 = 1 << 15;
pub(super) const TX_CFG_STATUS_DUMP: u32 = 1 << 15;
pub(super) const TX_CFG_DATA_DUMP: u32 = 1 << 14;
pub(super) const TX_CFG_ALLOW_OVERRUN: u32 = 1 << 2;
pub(super) const TX_CFG_ON: u32 = 1 << 1;
pub(super) const TX_CFG_STOP: u32 = 1 << 0;
pub(super) const HW_CFG_WRITABLE: u32 = 0x003F_3000;
pub(super) const HW_CFG_32_BIT: u32 = 1 << 2;
pub(super) const HW_CFG_SRST: u32 = 1 << 0;
pub(super) const HW_CFG_RESET: u32 = 0x0005_0000 | HW_CFG_32_BIT;
pub(super) const RX_DP_FFWD: u32 = 1 << 31;
pub(super) const PMT_WRITABLE: u32 = 0x0000_3346;
pub(super) const PMT_MODE: u32 = 0b11 << 12;
pub(super) const PMT_PHY_RESET: u32 = 1 << 10;
pub(super) const PMT_READY: u32 = 1 << 0;
pub(super) const GPIO_CFG_WRITABLE: u32 = 0x7777_071F;
pub(super) const GPT_ENABLE: u32 = 1 << 29;
pub(super) const CSR_BUSY: u32 = 1 << 31;
pub(super) const CSR_READ: u32 = 1 << 30;
pub(super) const E2P_BUSY: u32 = 1 << 31;
pub(super) const E2P_TIMEOUT: u32 = 1 << 9;
pub(super) const E2P_MAC_LOADED: u32 = 1 << 8;

pub(super) const TX_STATUS_ERROR: u32 = 1 << 15;
pub(super) const TX_STATUS_NO_CARRIER: u32 = 1 << 10;

const fn ports<const N: usize>(first: u32, name: &'static str, writes: bool) -> [Register; N] {
    let mut all = [Register::ro(0, name, 0); N];
    let mut i = 0;
    while i < N {
        let offset = first + 4 * i as u32;
        all[i] = if writes { Register::wo(offset, name) } else { Register::ro(offset, name, 0) };
        i += 1;
    }
    all
}

const INTERRUPT_FIELDS: &[Field] = &[
    Field::new("GPIO_INT", 0, 3),
    Field::new("RSFL_INT", 3, 1),
    Field::new("RSFF_INT", 4, 1),
    Field::new("RXDF_INT", 6, 1),
    Field::new("TSFL_INT", 7, 1),
    Field::new("TSFF_INT", 8, 1),
    Field::new("TDFA_INT", 9, 1),
    Field::new("TDFO_INT", 10, 1),
    Field::new("TDFU_INT", 11, 1),
    Field::new("TXE_INT", 13, 1),
    Field::new("RXE_INT", 14, 1),
    Field::new("RWT_INT", 15, 1),
    Field::new("TXSO_INT", 16, 1),
    Field::new("PME_INT", 17, 1),
    Field::new("PHY_INT", 18, 1),
    Field::new("GPT_INT", 19, 1),
    Field::new("RXD_INT", 20, 1),
    Field::new("TX_IOC_INT", 21, 1),
    Field::new("RXDFH_INT", 23, 1),
    Field::new("RXSTOP_INT", 24, 1),
    Field::new("TXSTOP_INT", 25, 1),
    Field::new("SW_INT", 31, 1),
];

pub(super) static REGISTERS: &[Register] = &block::join::<16, 28, 44>(
    block::join::<8, 8, 16>(
        ports(RX_DATA_FIFO_PORT, "RX_DATA_FIFO_PORT", false),
        ports(TX_DATA_FIFO_PORT, "TX_DATA_FIFO_PORT", true),
    ),
    [
        Register::ro(RX_STATUS_FIFO_PORT, "RX_STATUS_FIFO_PORT", 0),
        Register::ro(RX_STATUS_FIFO_PEEK, "RX_STATUS_FIFO_PEEK", 0),
        Register::ro(TX_STATUS_FIFO_PORT, "TX_STATUS_FIFO_PORT", 0),
        Register::ro(TX_STATUS_FIFO_PEEK, "TX_STATUS_FIFO_PEEK", 0),
        Register::ro(ID_REV, "ID_REV", 0x0118_0001)
            .fields(&[Field::new("REV", 0, 16), Field::new("ID", 16, 16)]),
        Register::rw(IRQ_CFG, "IRQ_CFG", 0).fields(&[
            Field::new("IRQ_TYPE", 0, 1),
            Field::new("IRQ_POL", 4, 1),
            Field::new("IRQ_EN", 8, 1),
            Field::new("IRQ_INT", 12, 1),
            Field::new("INT_DEAS_STS", 13, 1),
            Field::new("INT_DEAS_CLR", 14, 1),
            Field::new("INT_DEAS", 24, 8),
        ]),
        Register::rw(INT_STS, "INT_STS", 0).fields(INTERRUPT_FIELDS),
        Register::rw(INT_EN, "INT_EN", 0).fields(INTERRUPT_FIELDS),
        Register::rw(BYTE_TEST, "BYTE_TEST", 0x8765_4321),
        Register::rw(FIFO_INT, "FIFO_INT", 0x4800_0000).fields(&[
            Field::new("RX_STATUS_LEVEL", 0, 8),
            Field::new("TX_STATUS_LEVEL", 16, 8),
            Field::new("TX_DATA_AVAILABLE_LEVEL", 24, 8),
        ]),
        Register::rw(RX_CFG, "RX_CFG", 0).fields(&[
            Field::new("RXDOFF", 8, 5),
            Field::new("RX_DUMP", 15, 1),
            Field::new("RX_DMA_CNT", 16, 12),
            Field::new("RX_EA", 30, 2),
        ]),
        Register::rw(TX_CFG, "TX_CFG", 0).fields(&[
            Field::new("STOP_TX", 0, 1),
            Field::new("TX_ON", 1, 1),
            Field::new("TXSAO", 2, 1),
            Field::new("TXD_DUMP", 14, 1),
            Field::new("TXS_DUMP", 15, 1),
        ]),
        // Cut-through (SF clear) sends like store-and-forward: it cannot underrun.
        Register::rw(HW_CFG, "HW_CFG", HW_CFG_RESET)
            .fields(&[
                Field::new("SRST", 0, 1),
                Field::new("SRST_TO", 1, 1),
                Field::new("32_16_BIT", 2, 1),
                Field::new("TR", 12, 2),
                Field::new("TX_FIF_SZ", 16, 4),
                Field::new("SF", 20, 1),
                Field::new("TTM", 21, 1),
            ])
            .coverage(Coverage::Partial),
        Register::rw(RX_DP_CTRL, "RX_DP_CTRL", 0).fields(&[Field::new("RX_FFWD", 31, 1)]),
        Register::ro(RX_FIFO_INF, "RX_FIFO_INF", 0)
            .fields(&[Field::new("RXDUSED", 0, 16), Field::new("RXSUSED", 16, 8)]),
        Register::ro(TX_FIFO_INF, "TX_FIFO_INF", 0x1200)
            .fields(&[Field::new("TDFREE", 0, 16), Field::new("TXSUSED", 16, 8)]),
        // Power modes stop reception; wake-up frames and magic packets are not detected.
        Register::rw(PMT_CTRL, "PMT_CTRL", PMT_READY)
            .fields(&[
                Field::new("READY", 0, 1),
                Field::new("PME_EN", 1, 1),
                Field::new("PME_POL", 2, 1),
                Field::new("PME_IND", 3, 1),
                Field::new("WUPS", 4, 2),
                Field::new("PME_TYPE", 6, 1),
                Field::new("ED_EN", 8, 1),
                Field::new("WOL_EN", 9, 1),
                Field::new("PHY_RST", 10, 1),
                Field::new("PM_MODE", 12, 2),
            ])
            .coverage(Coverage::Partial),
        Register::rw(GPIO_CFG, "GPIO_CFG", 0).coverage(Coverage::Stub),
        Register::rw(GPT_CFG, "GPT_CFG", 0xFFFF)
            .fields(&[Field::new("GPT_LOAD", 0, 16), Field::new("TIMER_EN", 29, 1)]),
        Register::ro(GPT_CNT, "GPT_CNT", 0xFFFF).fields(&[Field::new("GPT_CNT", 0, 16)]),
        Register::rw(WORD_SWAP, "WORD_SWAP", 0).coverage(Coverage::Stub),
        Register::ro(FREE_RUN, "FREE_RUN", 0),
        Register::ro(RX_DROP, "RX_DROP", 0),
        Register::rw(MAC_CSR_CMD, "MAC_CSR_CMD", 0).fields(&[
            Field::new("CSR_ADDRESS", 0, 8),
            Field::new("R_nW", 30, 1),
            Field::new("CSR_BUSY", 31, 1),
        ]),
        Register::rw(MAC_CSR_DATA, "MAC_CSR_DATA", 0),
        // Thresholds are kept; the part sends no pause frames of its own accord.
        Register::rw(AFC_CFG, "AFC_CFG", 0)
            .fields(&[
                Field::new("FCANY", 0, 1),
                Field::new("FCADD", 1, 1),
                Field::new("FCBRD", 2, 1),
                Field::new("FCMULT", 3, 1),
                Field::new("BACK_DUR", 4, 4),
                Field::new("AFC_LO", 8, 8),
                Field::new("AFC_HI", 16, 8),
            ])
            .coverage(Coverage::Stub),
        Register::rw(E2P_CMD, "E2P_CMD", 0).fields(&[
            Field::new("EPC_ADDRESS", 0, 8),
            Field::new("MAC_ADDRESS_LOADED", 8, 1),
            Field::new("EPC_TIMEOUT", 9, 1),
            Field::new("EPC_COMMAND", 28, 3),
            Field::new("EPC_BUSY", 31, 1),
        ]),
        Register::rw(E2P_DATA, "E2P_DATA", 0).fields(&[Field::new("EEPROM_DATA", 0, 8)]),
    ],
);
