//! What the daemon has of the bus, with a configuration or without one: the connection and its queues.

use std::time::Duration;

use tokio::sync::mpsc;

use super::AppError;
use super::control::Control;
use crate::dbus::{Bus, BusAddress};
use crate::engine::Snapshot;
use crate::port::{BusUpdate, BusUpdateSender, Message, Port, news};

/// How long a stop waits for the bus to take the last replies.
const LAST_REPLIES: Duration = Duration::from_secs(1);

/// One connection for the life of the process, and its queues.
pub struct BusLink {
    pub bus: Bus,
    pub port: Port,
    pub news: BusUpdateSender,
    named: bool,
}

impl BusLink {
    /// Connects to the bus; nobody can call yet. Gives the queue of what will be said there, too.
    pub async fn connect(
        address: &BusAddress,
    ) -> Result<(BusLink, mpsc::Receiver<Message>), AppError> {
        let (port, messages) = Port::new();
        let (news, told) = news();
        let bus = Bus::connect(address, port.clone(), told).await?;
        Ok((BusLink { bus, port, news, named: false }, messages))
    }

    /// Publishes what readers see, and announces what of it has changed.
    pub fn publish(&mut self, snapshot: Snapshot) {
        for changed in self.port.view.publish(snapshot) {
            self.news.tell(BusUpdate::Changed(changed));
        }
    }

    /// Serves what there is and takes the name, unless that was done already. The end of the
    /// connection is a `Control` from then on.
    pub async fn open(
        &mut self,
        snapshot: Snapshot,
        control: mpsc::Sender<Control>,
    ) -> Result<(), AppError> {
        // The sessions first: what answers calls finds its objects.
        let sessions: Vec<u32> = snapshot.sessions.keys().copied().collect();
        self.port.view.show_sessions(snapshot.sessions.clone());
        self.bus.serve().await?;
        self.bus.restore(&sessions).await?;
        self.publish(snapshot);
        if self.named {
            return Ok(());
        }
        self.bus.take_name().await?;
        self.named = true;
        let connection = self.bus.connection().clone();
        tokio::spawn(async move {
            connection.closed().await;
            let _ = control.send(Control::BusGone).await;
        });
        Ok(())
    }

    /// Has the bus take the replies that are ready, for a moment at most.
    pub async fn send_last_replies(&self) {
        let sent = crate::dbus::send_ready_replies(self.bus.connection());
        if tokio::time::timeout(LAST_REPLIES, sent).await.is_err() {
            tracing::warn!("the bus does not take the last replies");
        }
    }
}
