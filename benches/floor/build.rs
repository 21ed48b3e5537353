//! No unwind tables, as in the daemon (../../build.rs).

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../cross/no-unwind.ld");
    println!("cargo:rustc-link-arg-bins=-Wl,--no-eh-frame-hdr");
    println!("cargo:rustc-link-arg-bins=-Wl,-T,{script}");
}
