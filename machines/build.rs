//! The boards and chips are part of the crate: build it anew when one changes.

fn main() {
    println!("cargo:rerun-if-changed=boards");
    println!("cargo:rerun-if-changed=chips");
}
