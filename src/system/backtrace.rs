//! No backtraces in a release program.
//!
//! It is stripped and carries no unwind tables (build.rs), so a backtrace of it would have no names
//! and end at its first frame. The standard library brings a reader of debug information along
//! nevertheless, a twentieth of the program. It finds the frames through this function of the
//! compiler's runtime; with one that finds none, all that would read them is left out. A panic says
//! its message and where it was, as before.

/// `_URC_END_OF_STACK` of the unwinder's interface.
const END_OF_STACK: std::ffi::c_int = 5;

// SAFETY: the signature is that of libgcc's function, and to find no frame is one of its answers.
// Nothing else in a program that aborts on a panic calls it: libgcc and libc have their own. With
// musl, where libgcc is linked in, and with zig, which links its own unwinder in, there would be two of it.
#[allow(unsafe_code, reason = "the name is the one that is looked for")]
#[unsafe(no_mangle)]
extern "C" fn _Unwind_Backtrace(
    _frame: *const std::ffi::c_void,
    _argument: *const std::ffi::c_void,
) -> std::ffi::c_int {
    END_OF_STACK
}
