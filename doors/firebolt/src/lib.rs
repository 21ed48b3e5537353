//! Brings the calls of Firebolt's modules `Metrics` and `Lifecycle` into the agent.
//!
//! - `rpc`: JSON-RPC 2.0, text in and text out
//! - `method`: the names of the calls
//! - `parameters`: what their parameters may be
//! - `mapping`, with `viewing` and `say`: what each call means for a playback session; this and the
//!   above do no I/O
//! - `apps`: the applications, each with its own connection to the agent
//! - `server`: WebSocket connections, on the loopback or a Unix socket
//! - `bucket`: so many a second
//! - `arguments`: the command line

pub mod apps;
pub mod arguments;
pub mod bucket;
pub mod mapping;
pub mod method;
pub mod parameters;
pub mod rpc;
pub mod say;
pub mod server;
mod viewing;
