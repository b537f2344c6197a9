//! The schemas that editors fetch from docs/schemas are those of the types.

use std::path::Path;
use std::process::Command;

/// `UPDATE_SCHEMAS=1 cargo test --test schemas` writes them anew.
#[test]
fn the_published_schemas_are_those_of_the_types() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schemas");
    for kind in ["board", "fleet", "scenario"] {
        let output = Command::new(env!("CARGO_BIN_EXE_consort")).args(["schema", kind]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let file = folder.join(format!("{kind}.schema.json"));
        if std::env::var_os("UPDATE_SCHEMAS").is_some() {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(&file, &output.stdout).unwrap();
        }
        let published = std::fs::read(&file).unwrap_or_default();
        assert!(
            published == output.stdout,
            "{} is not what `consort schema {kind}` prints: run this test with UPDATE_SCHEMAS=1",
            file.display()
        );
    }
}
