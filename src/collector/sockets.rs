//! What has come in on the TCP sockets of this process. Only requests to collectors have any, and the
//! HTTP library does not show what it reads before an answer.

use std::os::fd::RawFd;

/// Where `struct tcp_info` of the kernel (4.1 and later) has the bytes received, in 8-byte words.
const BYTES_RECEIVED: usize = 16;

/// Bytes that were received on all TCP sockets that are open, headers of packets not counted; 0 where
/// the kernel does not tell.
pub fn bytes_received() -> u64 {
    let Ok(open) = std::fs::read_dir("/proc/self/fd") else { return 0 };
    let numbers = open.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers.filter_map(received_on).sum()
}

#[allow(unsafe_code, reason = "no safe crate reads TCP_INFO")]
fn received_on(fd: RawFd) -> Option<u64> {
    let mut info = [0_u64; 32];
    let mut length = libc::socklen_t::try_from(size_of_val(&info)).ok()?;
    // SAFETY: the kernel writes at most `length` bytes into `info`. A number that is no TCP socket, or
    // not open any more, is an error.
    let told = unsafe {
        libc::getsockopt(
            fd,
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            info.as_mut_ptr().cast(),
            &mut length,
        )
    };
    (told == 0 && length as usize >= (BYTES_RECEIVED + 1) * 8).then(|| info[BYTES_RECEIVED])
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn what_a_socket_has_received_is_told() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let mut near =
            TcpStream::connect(listener.local_addr().expect("an address")).expect("a peer");
        let (mut far, _) = listener.accept().expect("a connection");
        let before = super::bytes_received();
        near.write_all(&[1; 100_000]).expect("written");
        far.read_exact(&mut vec![0; 100_000]).expect("read");
        // Other tests of this process may receive something too.
        assert!(super::bytes_received() >= before + 100_000);
    }
}
