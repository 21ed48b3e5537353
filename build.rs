//! What a box has no use for is left out: unwind tables, and of the interfaces the comments and what
//! is for Qt's code generator.

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
    if is("PROFILE", "release") {
        unwind_tables();
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
