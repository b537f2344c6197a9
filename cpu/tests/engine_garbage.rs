//! Whatever bytes a guest executes, the host survives and the counts stay within the budget.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use consort_cpu::engine::{Access, BusError, Engine, Io, Isa, Options, Perms, Reg, Stop};
use proptest::prelude::*;

struct Moody(u64);

impl Io for Moody {
    fn read(&mut self, cx: &mut Access<'_>, address: u64, _: u8) -> Result<u64, BusError> {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(address ^ cx.executed());
        if self.0 >> 63 == 1 { Err(BusError) } else { Ok(self.0) }
    }

    fn write(&mut self, cx: &mut Access<'_>, address: u64, _: u8, value: u64) -> Result<(), BusError> {
        self.read(cx, address ^ value, 4).map(drop)
    }

    fn read_system(&mut self, _: &mut Access<'_>, _: consort_cpu::engine::SystemReg) -> Option<u64> {
        Some(self.0)
    }
}

fn run(isa: Isa, code: &[u8], seed: u64) {
    let wide = matches!(isa, Isa::CortexA53 | Isa::Rv32 | Isa::Rv64);
    let pc = if wide { Reg::PC64 } else { Reg::PC };
    let base = 0x2000_0000;
    let mut engine = Engine::new(isa, Options { translation_buffer: 4 << 20, ..Options::default() }).unwrap();
    engine.map_ram(base, 0x4000, Perms::Rwx).unwrap();
    engine.write_memory(base, code).unwrap();
    engine.set_reg(Reg::CPACR, 0xf0_0000);
    for n in 0..31 {
        let value = if n % 3 == 0 { base + u64::from(n) * 64 } else { seed.rotate_left(n.into()) };
        engine.set_reg(
            if wide {
                Reg::x(n)
            } else if n < 15 {
                Reg::r(n)
            } else {
                continue;
            },
            value,
        );
    }
    engine.set_reg(pc, base);
    let mut io = Moody(seed);
    for step in 0..60 {
        let exit = engine.run(&mut io, 100);
        assert!(exit.executed <= 100);
        if exit.stop != Stop::Budget || step % 8 == 0 {
            // Somewhere else in the garbage, as a handler would.
            engine.set_reg(pc, base + (seed.rotate_left(step) & 0x3fe));
            if !wide && isa != Isa::CortexA15 {
                engine.set_reg(Reg::XPSR, 0x0100_0000 | u64::from(step % 5));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: ProptestConfig::default().cases / 4,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn no_guest_harms_the_host(code in prop::collection::vec(any::<u8>(), 1024), seed in any::<u64>()) {
        for isa in [Isa::CortexM0, Isa::CortexM3, Isa::CortexM4, Isa::CortexM7, Isa::CortexM33] {
            run(isa, &code, seed);
        }
        for isa in [Isa::CortexA15, Isa::CortexA53, Isa::Rv32, Isa::Rv64] {
            run(isa, &code, seed);
        }
    }
}
