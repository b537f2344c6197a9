//! The firmware interface that HVC and SMC reach: PSCI 1.1 (DEN 0022) for a machine with one core.

/// What a call wants of the core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Go on with this value in X0 (R0).
    Value(i64),
    /// Wait for an interrupt, then go on with SUCCESS.
    Suspend,
    /// Reset the machine.
    Reset,
    /// Power the machine off.
    Off,
}

const SUCCESS: i64 = 0;
const NOT_SUPPORTED: i64 = -1;
const INVALID_PARAMETERS: i64 = -2;
const ALREADY_ON: i64 = -4;

/// Major version 1, minor version 1.
const VERSION: i64 = 0x1_0001;
/// MIGRATE_INFO_TYPE: there is no trusted operating system that would need migration.
const NO_MIGRATION: i64 = 2;
/// The 64-bit forms of calls that take addresses.
const FORM_64: u32 = 0x4000_0000;

const PSCI_VERSION: u32 = 0x8400_0000;
const CPU_SUSPEND: u32 = 0x8400_0001;
const CPU_OFF: u32 = 0x8400_0002;
const CPU_ON: u32 = 0x8400_0003;
const AFFINITY_INFO: u32 = 0x8400_0004;
const MIGRATE_INFO_TYPE: u32 = 0x8400_0006;
const SYSTEM_OFF: u32 = 0x8400_0008;
const SYSTEM_RESET: u32 = 0x8400_0009;
const PSCI_FEATURES: u32 = 0x8400_000A;

/// Answers the call of `function` with its first argument.
pub(super) fn call(function: u32, argument: u64) -> Answer {
    let base = function & !FORM_64;
    let has_form_64 = matches!(base, CPU_SUSPEND | CPU_ON | AFFINITY_INFO);
    if function & FORM_64 != 0 && !has_form_64 {
        return Answer::Value(NOT_SUPPORTED);
    }
    match base {
        PSCI_VERSION => Answer::Value(VERSION),
        CPU_SUSPEND => Answer::Suspend,
        // The last core's power-off is the end of the machine until somebody resets it.
        CPU_OFF | SYSTEM_OFF => Answer::Off,
        CPU_ON if argument == 0 => Answer::Value(ALREADY_ON),
        CPU_ON => Answer::Value(INVALID_PARAMETERS),
        AFFINITY_INFO if argument == 0 => Answer::Value(SUCCESS),
        AFFINITY_INFO => Answer::Value(INVALID_PARAMETERS),
        MIGRATE_INFO_TYPE => Answer::Value(NO_MIGRATION),
        SYSTEM_RESET => Answer::Reset,
        PSCI_FEATURES => {
            let asked = argument as u32;
            let known = match asked & !FORM_64 {
                CPU_SUSPEND | CPU_ON | AFFINITY_INFO => true,
                PSCI_VERSION | CPU_OFF | MIGRATE_INFO_TYPE | SYSTEM_OFF | SYSTEM_RESET | PSCI_FEATURES => {
                    asked & FORM_64 == 0
                }
                _ => false,
            };
            Answer::Value(if known { SUCCESS } else { NOT_SUPPORTED })
        }
        _ => Answer::Value(NOT_SUPPORTED),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_calls_answer_as_the_specification_says() {
        assert_eq!(call(PSCI_VERSION, 0), Answer::Value(0x1_0001));
        assert_eq!(call(PSCI_FEATURES, 0xC400_0003), Answer::Value(SUCCESS));
        assert_eq!(call(PSCI_FEATURES, 0x8000_0000), Answer::Value(NOT_SUPPORTED), "SMCCC_VERSION");
        assert_eq!(call(0xC400_0003, 0), Answer::Value(ALREADY_ON));
        assert_eq!(call(0xC400_0003, 1), Answer::Value(INVALID_PARAMETERS));
        assert_eq!(call(0xC400_0008, 0), Answer::Value(NOT_SUPPORTED));
        assert_eq!((call(SYSTEM_OFF, 0), call(SYSTEM_RESET, 0)), (Answer::Off, Answer::Reset));
        assert_eq!(call(0x1234_5678, 0), Answer::Value(NOT_SUPPORTED));
    }
}
