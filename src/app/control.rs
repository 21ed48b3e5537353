//! What the process itself is told: signals, and the loss of the bus.

use futures_util::StreamExt;
use signal_hook::consts::SIGHUP;
use signal_hook_tokio::Signals;
use tokio::sync::mpsc;

use super::AppError;
use crate::core::message_ids as ids;

/// What the process itself tells the loop: signals, and the loss of the bus.
pub enum Control {
    Stop,
    Reload,
    BusGone,
}

/// What has come while the daemon started, and waits for it.
#[derive(Default)]
pub struct Missed {
    pub reload: bool,
    pub bus_gone: bool,
}

impl Missed {
    /// Notes what comes until the daemon is asked to stop.
    pub async fn until_stop(&mut self, controls: &mut mpsc::Receiver<Control>) {
        while let Some(control) = controls.recv().await {
            match control {
                Control::Stop => return,
                Control::Reload => self.reload = true,
                Control::BusGone => self.bus_gone = true,
            }
        }
    }
}

/// SIGTERM and SIGINT stop the daemon, SIGHUP has it read the configuration anew (behaviour.md 3).
pub async fn relay_signals(mut signals: Signals, control: mpsc::Sender<Control>) {
    while let Some(signal) = signals.next().await {
        let said = if signal == SIGHUP { Control::Reload } else { Control::Stop };
        if control.send(said).await.is_err() {
            return;
        }
    }
}

/// The end of a daemon that has lost its bus.
pub fn bus_gone<T>() -> Result<T, AppError> {
    tracing::error!(message_id = ids::BUS_LOST, "the connection to the bus is lost; stopping");
    Err(AppError::BusGone)
}
