//! Descriptors that the runtime watches.

use std::os::fd::OwnedFd;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Has the runtime watch a descriptor for what is of interest, and for nothing else. Needs a running tokio
/// runtime.
#[allow(unsafe_code)]
pub fn watch(descriptor: OwnedFd, interest: Interest) -> std::io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` has the same descriptor for as long as it lives, and only the `AsyncFd`
    // drops it.
    Ok(unsafe { AsyncFd::register_with_interest(descriptor, interest) }?)
}
