//! Builds Unicorn from the registry's own source with our patch and writes its Rust bindings.
//!
//! Cargo fetches the published crate (and verifies its checksum) for a throw-away manifest outside this
//! workspace's `[patch]`; the source is copied, patched and built by cmake under `OUT_DIR`.
#![allow(clippy::print_stdout, reason = "a build script talks to cargo on its standard output")]

#[path = "build/bindings.rs"]
mod bindings;
#[path = "build/patch.rs"]
mod patch;
#[path = "build/source.rs"]
mod source;

use std::path::{Path, PathBuf};
use std::process::Command;

#[expect(clippy::print_stderr, reason = "a build script's standard error is its error message")]
fn main() {
    if let Err(problem) = build() {
        eprintln!("\nunicorn-engine-sys (Consort's patched build): {problem}\n");
        std::process::exit(1);
    }
}

fn build() -> Result<(), String> {
    let manifest_dir = PathBuf::from(env("CARGO_MANIFEST_DIR")?);
    let out_dir = PathBuf::from(env("OUT_DIR")?);
    for watched in ["build.rs", "build", "patches", "c"] {
        println!("cargo:rerun-if-changed={}", manifest_dir.join(watched).display());
    }

    // Unicorn's own scripts go on without them for a while and then fail far from the cause.
    for (tool, package) in [("cmake", "cmake"), ("pkg-config", "pkgconf")] {
        if Command::new(tool).arg("--version").output().is_err() {
            return Err(format!(
                "`{tool}` is missing: `make setup` at the top of the repository installs it (Debian package {package})"
            ));
        }
    }

    let upstream = source::fetch(&out_dir.join("fetch"))?;
    let tree = out_dir.join("unicorn");
    let patches = patch::read_all(&manifest_dir.join("patches"))?;
    source::copy(&upstream, &tree, &patches)?;
    source::copy(&manifest_dir.join("c"), &tree.join("include/consort"), &[])?;

    compile(&tree)?;
    bindings::generate(&tree, &out_dir.join("bindings.rs"))
}

fn compile(tree: &Path) -> Result<(), String> {
    let architectures: Vec<&str> = ["arm", "aarch64", "riscv"]
        .into_iter()
        .filter(|name| std::env::var_os(format!("CARGO_FEATURE_ARCH_{}", name.to_uppercase())).is_some())
        .collect();
    // Unicorn is C alone; without this, cargo warns of a missing C++ compiler.
    let mut no_cxx = cc::Build::new();
    no_cxx.compiler("cc");
    let installed = cmake::Config::new(tree)
        .init_cxx_cfg(no_cxx)
        // A debug build of the translator is an order of magnitude slower and tells a Rust developer nothing.
        .profile("Release")
        // Configuring again touches generated headers, which rebuilds everything for a change of one file.
        .always_configure(false)
        .define("CMAKE_C_FLAGS_RELEASE", "-O2 -DNDEBUG")
        .define("BUILD_SHARED_LIBS", "OFF")
        .define("UNICORN_BUILD_TESTS", "OFF")
        .define("UNICORN_INSTALL", "ON")
        .define("UNICORN_ARCH", architectures.join(";"))
        .build();
    for lib in ["lib", "lib64"] {
        println!("cargo:rustc-link-search=native={}", installed.join(lib).display());
    }
    println!("cargo:rustc-link-lib=static=unicorn");
    println!("cargo:rustc-link-lib=pthread");
    println!("cargo:rustc-link-lib=m");
    Ok(())
}

fn env(name: &str) -> Result<String, String> {
    std::env::var(name).map_err(|_| format!("cargo did not set {name}"))
}
