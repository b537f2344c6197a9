//! Start-up code and drivers for Nordic's chips touch registers that are in no manual; all of them are known by
//! name, so that no such image is told of a gap in the model.

use consort_core::component::Built;
use consort_machines::board::Board;

/// A board of each chip, and the addresses that Nordic's start-up code (`system_nrf51.c`, `system_nrf52*.c`), its
/// drivers (nrfx), SDK and 802.15.4 driver, and NimBLE touch besides documented registers.
const TOUCHED: [(&str, &[u32]); 4] = [
    (
        "microbit",
        &[
            0x4000_0504,
            0x4000_0524,
            0x4000_0554,
            0x4000_0608,
            0x4000_6C18,
            0x4000_8C0C,
            0x4000_9C0C,
            0x4000_AC0C,
            0x4000_C504,
            0x4006_EC00,
            0x4006_EC14,
            0xF000_0FE0,
            0xF000_0FE4,
            0xF000_0FE8,
            0xF000_0FEC,
        ],
    ),
    (
        "nrf52dk",
        &[
            0x1000_0130,
            0x1000_0134,
            0x1000_0244,
            0x1000_0258,
            0x1000_0324,
            0x4000_053C,
            0x4000_0550,
            0x4000_0558,
            0x4000_05A0,
            0x4000_0C34,
            0x4000_0EE4,
            0x4000_173C,
            0x4000_1774,
            0x4000_2564,
            0x4000_2568,
            0x4000_2FFC,
            0x4000_5010,
            0x4000_5610,
            0x4000_5614,
            0x4000_5618,
            0x4000_561C,
            0x4000_562C,
            0x4000_563C,
            0x4000_5688,
            0x4000_568C,
            0x4000_5FFC,
            0x4000_6600,
            0x4000_7640,
            0x4000_7644,
            0x4000_7648,
            0x4000_7FFC,
            0x4000_C520,
            0x4000_C570,
            0x4001_3540,
            0x4002_5038,
            0x4002_503C,
            0x4007_C074,
            0xF000_0FE0,
        ],
    ),
    (
        "microbit-v2",
        &[
            0x1000_0130,
            0x1000_0134,
            0x1000_0258,
            0x1000_0330,
            0x1000_0334,
            0x1000_0338,
            0x4000_0550,
            0x4000_0558,
            0x4000_0EE4,
            0x4000_1584,
            0x4000_1588,
            0x4000_174C,
            0x4000_5FFC,
            0x4000_7FFC,
            0x4002_5038,
            0x4002_503C,
            0x4002_7800,
            0x4002_7804,
            0x4002_7C1C,
            0x4006_EC00,
            0x4006_EC14,
            0x4006_ED14,
        ],
    ),
    (
        "nrf52840dk",
        &[
            0x1000_0130,
            0x1000_0134,
            0x1000_0258,
            0x1000_0330,
            0x1000_0334,
            0x1000_0338,
            0x4000_0550,
            0x4000_0558,
            0x4000_0638,
            0x4000_0E00,
            0x4000_0EE4,
            0x4000_1038,
            0x4000_1040,
            0x4000_1574,
            0x4000_1584,
            0x4000_1588,
            0x4000_173C,
            0x4000_1740,
            0x4000_174C,
            0x4000_177C,
            0x4000_1788,
            0x4000_5FFC,
            0x4000_7640,
            0x4000_7FFC,
            0x4002_5038,
            0x4002_7800,
            0x4002_7804,
            0x4002_7C1C,
            0x4002_9054,
            0x4002_9640,
            0x4006_EC00,
            0x4006_EC14,
            0x4006_ED14,
        ],
    ),
];

#[test]
fn what_start_up_code_touches_has_a_name() {
    let models = consort_peripherals::models();
    let mut missing = Vec::new();
    for (name, addresses) in TOUCHED {
        let (board, _) = Board::builtin(name).unwrap().unwrap();
        for address in addresses {
            let known = board.peripherals.values().any(|peripheral| {
                let Some(offset) = u64::from(*address).checked_sub(peripheral.at.0) else { return false };
                let entry = models.iter().find(|entry| entry.kind == peripheral.kind).unwrap();
                let Built::Peripheral(model) = (entry.build)(peripheral.config.clone()).unwrap() else {
                    return false;
                };
                model.registers().iter().any(|register| u64::from(register.offset) == offset)
            });
            if !known {
                missing.push(format!("{name} {address:#010x}"));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:?}");
}
