//! What is linked with Unicorn (GPL-2.0-only) must be compatible with it, down to the last dependency.

#![expect(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// Compatible with GPL-2.0-only. Apache-2.0 alone is not (its patent clause adds a restriction); with the
/// LLVM exception it is.
const COMPATIBLE: &[&str] = &[
    "0BSD",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "GPL-2.0",
    "GPL-2.0-only",
    "GPL-2.0-or-later",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Whether an SPDX expression can be satisfied by `COMPATIBLE` licences alone; an error where it is no
/// expression. Crates from before SPDX write `MIT/Apache-2.0` for "or".
fn compatible(expression: &str) -> Result<bool, String> {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let mut tokens: Vec<&str> = spaced.split_whitespace().rev().collect();
    let result = any_of(&mut tokens)?;
    tokens.is_empty().then_some(result).ok_or_else(|| format!("`{expression}` does not end where it should"))
}

fn any_of(tokens: &mut Vec<&str>) -> Result<bool, String> {
    let mut result = all_of(tokens)?;
    while tokens.pop_if(|token| *token == "OR").is_some() {
        result |= all_of(tokens)?;
    }
    Ok(result)
}

fn all_of(tokens: &mut Vec<&str>) -> Result<bool, String> {
    let mut result = licence(tokens)?;
    while tokens.pop_if(|token| *token == "AND").is_some() {
        result &= licence(tokens)?;
    }
    Ok(result)
}

fn licence(tokens: &mut Vec<&str>) -> Result<bool, String> {
    match tokens.pop() {
        Some("(") => {
            let result = any_of(tokens)?;
            tokens.pop_if(|token| *token == ")").map(|_| result).ok_or("a parenthesis stays open".into())
        }
        Some(name) if !matches!(name, ")" | "OR" | "AND" | "WITH") => {
            match tokens.pop_if(|token| *token == "WITH") {
                Some(_) => {
                    let exception = tokens.pop().ok_or("WITH names no exception")?;
                    Ok(COMPATIBLE.contains(&format!("{name} WITH {exception}").as_str()))
                }
                None => Ok(COMPATIBLE.contains(&name)),
            }
        }
        found => Err(format!("a licence is missing before {found:?}")),
    }
}

fn metadata() -> Value {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let host = Command::new(&cargo).arg("-vV").output().unwrap().stdout;
    let host = String::from_utf8(host).unwrap();
    let host = host.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let output = Command::new(&cargo)
        .args(["metadata", "--format-version=1", "--filter-platform", host, "--manifest-path", manifest])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn everything_linked_with_unicorn_is_compatible_with_it() {
    let metadata = metadata();
    let packages: BTreeMap<&str, &Value> =
        metadata["packages"].as_array().unwrap().iter().map(|p| (p["id"].as_str().unwrap(), p)).collect();
    // Only normal dependencies are linked: neither build scripts' nor tests'.
    let linked: BTreeMap<&str, Vec<&str>> = metadata["resolve"]["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| {
            let deps = node["deps"].as_array().unwrap().iter();
            let normal =
                |dep: &&Value| dep["dep_kinds"].as_array().unwrap().iter().any(|kind| kind["kind"].is_null());
            let ids = deps.filter(normal).map(|dep| dep["pkg"].as_str().unwrap()).collect();
            (node["id"].as_str().unwrap(), ids)
        })
        .collect();
    let closure = |root: &str| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![root.to_owned()]);
        while let Some(id) = open.pop() {
            if seen.insert(id.clone()) {
                open.extend(linked[id.as_str()].iter().map(|id| (*id).to_owned()));
            }
        }
        seen
    };

    let mut judged = 0;
    let mut wrong = BTreeSet::new();
    for member in metadata["workspace_members"].as_array().unwrap() {
        let everything = closure(member.as_str().unwrap());
        if !everything.iter().any(|id| packages[id.as_str()]["name"] == "unicorn-engine-sys") {
            continue;
        }
        judged += 1;
        for id in &everything {
            let package = packages[id.as_str()];
            let licence = package["license"].as_str().unwrap_or("(none given)");
            if compatible(licence) != Ok(true) {
                wrong.insert(format!("{} {}: {licence}", package["name"], package["version"]));
            }
        }
    }
    assert!(judged >= 2, "the crates that link Unicorn were not found");
    assert!(wrong.is_empty(), "not compatible with GPL-2.0-only: {wrong:#?}");
}

#[test]
fn expressions_are_judged_by_their_better_arm() {
    for (expression, expected) in [
        ("MIT", true),
        ("Apache-2.0", false),
        ("Apache-2.0 WITH LLVM-exception", true),
        ("MIT/Apache-2.0", true),
        ("Apache-2.0 OR ISC", true),
        ("Apache-2.0 AND ISC", false),
        ("(MIT OR Apache-2.0) AND Unicode-3.0", true),
        ("MIT AND (Apache-2.0 OR GPL-3.0)", false),
        ("Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT", true),
    ] {
        assert_eq!(compatible(expression), Ok(expected), "{expression}");
    }
    for nonsense in ["", "MIT OR", "(MIT", "MIT)", "MIT Apache-2.0"] {
        assert!(compatible(nonsense).is_err(), "{nonsense}");
    }
}
