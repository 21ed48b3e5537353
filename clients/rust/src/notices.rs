//! What the agent says without having been asked.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;

use crate::error::Notice;
use crate::shared::Shared;

/// A stream of what the agent says by itself. It ends when the connection was closed. The newest 256
/// notices wait for a reader.
#[derive(Debug)]
pub struct Notices {
    shared: Arc<Shared>,
}

impl Notices {
    pub(crate) fn new(shared: Arc<Shared>) -> Notices {
        Notices { shared }
    }

    /// The next notice; `None` when the connection was closed. May be dropped and called again:
    /// nothing is lost.
    pub async fn next(&mut self) -> Option<Notice> {
        poll_fn(|context| self.shared.poll_notice(context)).await
    }

    /// The next notice, if there is one already.
    pub fn try_next(&mut self) -> Option<Notice> {
        self.shared.take_notice()
    }
}

impl Stream for Notices {
    type Item = Notice;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Notice>> {
        self.shared.poll_notice(context)
    }
}
