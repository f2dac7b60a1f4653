//! What Cargo.toml says of the compiler that is needed has to be true of every crate that is built with ours.

use std::process::Command;

/// `1.89` and `1.89.0` as numbers.
fn version(written: &str) -> Vec<u64> {
    let numbers = written
        .split('.')
        .map(|number| number.parse().expect("a number"));
    numbers.chain([0]).take(3).collect()
}

fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("it built this test");
    assert!(output.status.success(), "{program}: {output:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn no_crate_wants_a_newer_compiler_than_we_say() {
    let about = said("rustc", &["-vV"]);
    let host = about.lines().find_map(|line| line.strip_prefix("host: "));
    let host = host.expect("rustc names its host");
    // Offline and for this machine alone: everything that is listed has been built.
    let asked = "metadata --offline --locked --format-version 1 --filter-platform";
    let arguments: Vec<&str> = asked.split(' ').chain([host]).collect();
    let metadata = said(env!("CARGO"), &arguments);
    let metadata: serde_json::Value = serde_json::from_str(&metadata).expect("JSON");
    let ours = version(env!("CARGO_PKG_RUST_VERSION"));
    for package in metadata["packages"].as_array().expect("packages") {
        let Some(theirs) = package["rust_version"].as_str() else {
            continue;
        };
        assert!(
            version(theirs) <= ours,
            "{} wants {theirs}",
            package["name"]
        );
    }
}
