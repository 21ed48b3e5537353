//! The calls by name. Firebolt 1 and 2 (RDK8) have other names for some; the resolution files of
//! AppGateway do not tell capital letters from small ones, so neither do we.

/// A call that is understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Ready,
    AppInfo,
    StartContent,
    StopContent,
    MediaLoadStart,
    MediaPlay,
    MediaPlaying,
    MediaPause,
    MediaWaiting,
    MediaSeeking,
    MediaSeeked,
    MediaProgress,
    MediaRateChange,
    MediaRenditionChange,
    MediaEnded,
    Error,
    /// Accepted, and nothing of a playback.
    Nothing,
    Lifecycle(Lifecycle),
    /// `Lifecycle2.onStateChanged`: the state is among the parameters.
    StateChanged,
}

/// What happens to an application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifecycle {
    Foreground,
    /// Not in front, perhaps visible, and may play (Firebolt's state `background`).
    Background,
    /// May not play: Firebolt's states `inactive` and `suspended`, RDK8's `paused`, `suspended` and
    /// `hibernated`.
    Suspended,
    Unloading,
}

impl Lifecycle {
    /// A state of Firebolt's `Lifecycle` or `Lifecycle2`. `None`: the state is none in which anything
    /// was played, or is not known.
    pub fn of_state(name: &str) -> Option<Lifecycle> {
        Some(match name.to_ascii_lowercase().as_str() {
            "foreground" | "active" => Lifecycle::Foreground,
            "background" => Lifecycle::Background,
            "inactive" | "paused" | "suspended" | "hibernated" => Lifecycle::Suspended,
            "unloading" | "unloaded" | "terminating" => Lifecycle::Unloading,
            _ => return None,
        })
    }
}

impl Method {
    /// The call of this name: `Metrics.mediaPlay`, or `mediaPlay` alone.
    pub fn named(name: &str) -> Option<Method> {
        let name = name.to_ascii_lowercase();
        match name.rsplit_once('.').unwrap_or(("metrics", &name)) {
            ("metrics", call) => Method::of_metrics(call),
            ("lifecycle", call) => Method::of_lifecycle(call),
            ("lifecycle2", "onstatechanged" | "onstate") => Some(Method::StateChanged),
            _ => None,
        }
    }

    fn of_metrics(name: &str) -> Option<Method> {
        Some(match name {
            "ready" => Method::Ready,
            "appinfo" => Method::AppInfo,
            "startcontent" => Method::StartContent,
            "stopcontent" => Method::StopContent,
            "medialoadstart" => Method::MediaLoadStart,
            "mediaplay" => Method::MediaPlay,
            "mediaplaying" => Method::MediaPlaying,
            "mediapause" => Method::MediaPause,
            "mediawaiting" => Method::MediaWaiting,
            "mediaseeking" => Method::MediaSeeking,
            "mediaseeked" => Method::MediaSeeked,
            "mediaprogress" => Method::MediaProgress,
            "mediaratechange" | "mediaratechanged" => Method::MediaRateChange,
            "mediarenditionchange" | "mediarenditionchanged" => Method::MediaRenditionChange,
            "mediaended" => Method::MediaEnded,
            "error" => Method::Error,
            "signin" | "signout" | "page" | "action" | "event" => Method::Nothing,
            _ => return None,
        })
    }

    fn of_lifecycle(name: &str) -> Option<Method> {
        Some(match name {
            // Calls of the application's own.
            "ready" => Method::Ready,
            "close" | "finished" | "state" => Method::Nothing,
            _ => {
                let state = name.strip_prefix("on").unwrap_or(name);
                Method::Lifecycle(Lifecycle::of_state(state)?)
            }
        })
    }
}
