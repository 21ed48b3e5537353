//! Delivery as production has it: the real daemon and a collector that speaks TLS. Whatever is wrong
//! with a certificate, a handshake or a proxy, nothing is sent to a stranger, nothing is lost, and the
//! log says why (behaviour.md 2.7).

mod common;

#[path = "tls/certificates.rs"]
mod certificates;
#[path = "tls/manners.rs"]
mod manners;
#[path = "tls/network.rs"]
mod network;
#[path = "tls/program.rs"]
mod program;
#[path = "tls/rows.rs"]
mod rows;
#[path = "tls/scene.rs"]
mod scene;
