//! What all handles of a player have in common.

use std::sync::Arc;

use crate::agent::CLOSE_LIMIT;
use crate::shared::Shared;

/// Is dropped with the last handle of the player, be it the agent or a session.
#[derive(Debug)]
pub(crate) struct Handle {
    pub(crate) shared: Arc<Shared>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.begin_close(CLOSE_LIMIT);
    }
}
