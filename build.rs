//! A box has no use for unwind tables: the release profile aborts on a panic, and nothing else unwinds.
//! They are a tenth of the program, and the linker leaves them out when told so.

#[allow(clippy::disallowed_methods)]
fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=cross/no-unwind.ld");
    let is = |name: &str, wanted: &str| std::env::var(name).is_ok_and(|value| value == wanted);
    // 32-bit ARM has tables of another kind.
    let tables = is("CARGO_CFG_TARGET_ARCH", "x86_64") || is("CARGO_CFG_TARGET_ARCH", "aarch64");
    if is("PROFILE", "release") && is("CARGO_CFG_TARGET_OS", "linux") && tables {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/cross/no-unwind.ld");
        println!("cargo:rustc-link-arg-bins=-Wl,--no-eh-frame-hdr");
        println!("cargo:rustc-link-arg-bins=-Wl,-T,{script}");
    }
}
