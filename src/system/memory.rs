//! Gives back memory that is no longer needed: free heap, and program pages that only the start
//! needed.
//!
//! The kernel maps program text in runs of pages around each page that is touched, so a start maps
//! nearly all of it. Process lists would count that as memory of an idle daemon. Unmapping it costs
//! little: a page that is needed again comes from the page cache, and the kernel can reclaim the
//! others when memory is short.

use rustix::mm::{Advice, madvise};

/// Unmaps all program text of this process. A page is mapped again when it is touched.
pub fn let_go_of_program_pages() {
    let Ok(maps) = std::fs::read_to_string("/proc/self/maps") else { return };
    for (start, length) in maps.lines().filter_map(text) {
        let_go(start, length);
    }
}

/// Gives free memory of the heap back to the kernel, also from between what is in use.
#[allow(unsafe_code)]
pub fn give_back_free_heap() {
    // SAFETY: takes no pointer, and touches nothing that is allocated.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Address and length of a file's mapping that can be executed but not written, so that memory and
/// disk hold the same bytes.
fn text(line: &str) -> Option<(usize, usize)> {
    let mut words = line.split_ascii_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    let rights = words.next()?;
    let file = words.nth(3)?;
    if rights != "r-xp" || !file.starts_with('/') {
        return None;
    }
    let address = |text| usize::from_str_radix(text, 16).ok();
    let start = address(start)?;
    Some((start, address(end)?.checked_sub(start)?))
}

#[allow(unsafe_code)]
fn let_go(start: usize, length: usize) {
    // SAFETY: the kernel itself named this mapping; it is private, backed by a file and never written
    // (no text relocations), so that dropping its pages changes no byte that anybody reads.
    let done = unsafe { madvise(start as *mut _, length, Advice::LinuxDontNeed) };
    if let Err(error) = done {
        tracing::debug!(%error, "program pages stay mapped");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_program_text_is_let_go_of() {
        let lines = [
            "55d00000-55d01000 r-xp 00001000 fe:00 1234   /usr/bin/playheadd",
            "55d01000-55d02000 r--p 00002000 fe:00 1234   /usr/bin/playheadd",
            "55d02000-55d03000 rw-p 00003000 fe:00 1234   /usr/bin/playheadd",
            "7ffd0000-7ffd1000 r-xp 00000000 00:00 0      [vdso]",
            "7f000000-7f001000 r-xp 00000000 00:00 0",
            "nonsense",
        ];
        let found: Vec<_> = lines.iter().filter_map(|line| text(line)).collect();
        assert_eq!(found, [(0x55d00000, 0x1000)]);
    }

    #[test]
    fn a_process_goes_on_without_its_program_pages() {
        let_go_of_program_pages();
        let sorted = {
            let mut v = vec![3, 1, 2];
            v.sort_unstable();
            v
        };
        assert_eq!(sorted, [1, 2, 3]);
    }
}
