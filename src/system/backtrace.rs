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
// musl, where libgcc is linked in, there would be two of it.
#[allow(unsafe_code, reason = "the name is the one that is looked for")]
#[unsafe(no_mangle)]
extern "C" fn _Unwind_Backtrace(
    _frame: *const std::ffi::c_void,
    _argument: *const std::ffi::c_void,
) -> std::ffi::c_int {
    END_OF_STACK
}

/// zig links an unwinder of its own in, and takes the file of it that has `_Unwind_Backtrace` too when
/// it needs anything of that file. These are the others that the standard library names, for the case
/// that it unwinds, so that the file stays away.
#[cfg(unwinder_linked_in)]
mod never_called {
    use std::ffi::{c_int, c_void};

    // SAFETY: as above; a program that aborts on a panic looks for no handler in a frame.
    #[allow(unsafe_code, reason = "the names are those that are looked for")]
    #[unsafe(no_mangle)]
    extern "C" fn _Unwind_GetDataRelBase(_frame: *const c_void) -> usize {
        0
    }

    // SAFETY: as above.
    #[allow(unsafe_code, reason = "the names are those that are looked for")]
    #[unsafe(no_mangle)]
    extern "C" fn _Unwind_GetTextRelBase(_frame: *const c_void) -> usize {
        0
    }

    // SAFETY: as above.
    #[allow(unsafe_code, reason = "the names are those that are looked for")]
    #[unsafe(no_mangle)]
    extern "C" fn _Unwind_GetIPInfo(_frame: *const c_void, _before: *mut c_int) -> usize {
        0
    }
}
