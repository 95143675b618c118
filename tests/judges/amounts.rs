//! Guards the amounts against a formula that only this program believes in: Python computes the shared cases again.

use std::process::Command;

#[test]
fn exact_decimals_agree_with_the_shared_cases() {
    let args = ["tests/judges/amounts.py", "tests/judges/amounts.json"];
    let output = Command::new("python3").args(args).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let counted: usize = String::from_utf8(output.stdout).unwrap().trim().parse().unwrap();
    assert!(counted >= 500, "{counted}");
}
