//! What a box has no use for is left out: unwind tables, functions that are there twice, long lists of
//! addresses, and of the interfaces the comments and what is for Qt's code generator.

#[allow(clippy::disallowed_methods)]
fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    for interface in ["tv.playhead.Agent1", "tv.playhead.Session1", "tv.playhead.Monitor1"] {
        let file = format!("dbus/{interface}.xml");
        println!("cargo:rerun-if-changed={file}");
        let xml = std::fs::read_to_string(&file).expect("the interface's XML");
        let out = std::env::var("OUT_DIR").expect("cargo says where");
        std::fs::write(format!("{out}/{interface}.xml"), introspected(&xml)).expect("written");
    }
    println!("cargo:rustc-check-cfg=cfg(unwinder_linked_in)");
    let target = std::env::var("TARGET").unwrap_or_default().replace('-', "_").to_uppercase();
    println!("cargo:rerun-if-env-changed=CARGO_TARGET_{target}_LINKER");
    if linker_is_zig() {
        // See src/system/backtrace.rs.
        println!("cargo:rustc-cfg=unwinder_linked_in");
    }
    if is("PROFILE", "release") {
        unwind_tables();
        identical_functions();
        packed_relocations();
    }
}

#[allow(clippy::disallowed_methods)]
fn is(name: &str, wanted: &str) -> bool {
    std::env::var(name).is_ok_and(|value| value == wanted)
}

/// The text that introspection gives. Comments are for docs/dbus.md. The annotations for Qt are for
/// who generates code, from the files under dbus/; they would be 3 KiB of the daemon.
fn introspected(xml: &str) -> String {
    let mut text = String::new();
    let mut rest = xml;
    while let Some((before, comment)) = rest.split_once("<!--") {
        text.push_str(before.trim_end());
        rest = comment.split_once("-->").expect("the end of a comment").1;
    }
    text.push_str(rest);
    let lines = text.split_inclusive('\n');
    lines.filter(|line| !line.contains("\"org.qtproject.QtDBus.")).collect()
}

/// The release profile aborts on a panic, and nothing else unwinds. The tables are a tenth of the
/// program, and the linker leaves them out when told so.
fn unwind_tables() {
    println!("cargo:rerun-if-changed=cross/no-unwind.ld");
    let tables = ["x86_64", "aarch64", "arm"].iter().any(|arch| is("CARGO_CFG_TARGET_ARCH", arch));
    if is("CARGO_CFG_TARGET_OS", "linux") && tables {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/cross/no-unwind.ld");
        println!("cargo:rustc-link-arg-bins=-Wl,--no-eh-frame-hdr");
        println!("cargo:rustc-link-arg-bins=-Wl,-T,{script}");
    }
}

/// Functions with the same code are kept once, a hundredth of the program, if the linker knows how: lld
/// and mold do, GNU's does not.
fn identical_functions() {
    const FLAG: &str = "-Wl,--icf=all";
    if linked(FLAG).is_some() {
        println!("cargo:rustc-link-arg-bins={FLAG}");
    }
}

/// Addresses that are moved at the start are listed in bits, which is a twentieth of the program less.
/// glibc reads such lists from 2.36 on and musl from 1.2.4 on: so only where a program with one runs,
/// and not in one that is built for another machine or, by zig, for an older glibc.
fn packed_relocations() {
    const FLAG: &str = "-Wl,-z,pack-relative-relocs";
    let native =
        var("HOST") == var("TARGET") && is("CARGO_CFG_TARGET_OS", "linux") && !linker_is_zig();
    let runs = |program| std::process::Command::new(program).status().is_ok_and(|s| s.success());
    if native && linked(FLAG).is_some_and(runs) {
        println!("cargo:rustc-link-arg-bins={FLAG}");
    }
}

fn linker_is_zig() -> bool {
    var("RUSTC_LINKER").contains("zig")
}

/// A program that does nothing, linked with a flag. What the linker is, only the compiler knows.
#[allow(clippy::disallowed_methods)]
fn linked(flag: &str) -> Option<String> {
    let program = var("OUT_DIR") + "/empty";
    let source = program.clone() + ".rs";
    std::fs::write(&source, "fn main() {}").expect("written");
    let mut rustc = std::process::Command::new(var("RUSTC"));
    rustc.args([
        &source,
        "-o",
        &program,
        "--target",
        &var("TARGET"),
        &format!("-Clink-arg={flag}"),
    ]);
    rustc.args(var("CARGO_ENCODED_RUSTFLAGS").split('\x1f').filter(|flag| !flag.is_empty()));
    if let Ok(linker) = std::env::var("RUSTC_LINKER") {
        rustc.arg(format!("-Clinker={linker}"));
    }
    rustc.output().is_ok_and(|linked| linked.status.success()).then_some(program)
}

#[allow(clippy::disallowed_methods)]
fn var(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}
