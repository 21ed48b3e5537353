//! What a box has no use for is left out: unwind tables, functions that are there twice, and of the
//! interfaces the comments and what is for Qt's code generator.

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
    if std::env::var("RUSTC_LINKER").is_ok_and(|linker| linker.contains("zig")) {
        // See src/system/backtrace.rs.
        println!("cargo:rustc-cfg=unwinder_linked_in");
    }
    if is("PROFILE", "release") {
        unwind_tables();
        identical_functions();
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
/// and mold do, GNU's does not. Which one it is, only the compiler knows; so a program is linked with it.
#[allow(clippy::disallowed_methods)]
fn identical_functions() {
    let var = |name| std::env::var(name).unwrap_or_default();
    let program = var("OUT_DIR") + "/empty";
    let source = program.clone() + ".rs";
    std::fs::write(&source, "fn main() {}").expect("written");
    let mut rustc = std::process::Command::new(var("RUSTC"));
    rustc.args([&source, "-o", &program, "--target", &var("TARGET"), "-Clink-arg=-Wl,--icf=all"]);
    rustc.args(var("CARGO_ENCODED_RUSTFLAGS").split('\x1f').filter(|flag| !flag.is_empty()));
    if let Ok(linker) = std::env::var("RUSTC_LINKER") {
        rustc.arg(format!("-Clinker={linker}"));
    }
    if rustc.output().is_ok_and(|linked| linked.status.success()) {
        println!("cargo:rustc-link-arg-bins=-Wl,--icf=all");
    }
}
