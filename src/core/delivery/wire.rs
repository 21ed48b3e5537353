//! What the collector knows of a session: the fold over the hits that have left its queue. From
//! it a lost session is opened again with its whole context (spec 5.3, api.md 2.11), so the hits
//! of a restart carry their own context and a second loss loses nothing.

use serde::{Deserialize, Serialize};

use crate::core::tracker::hit::{Detail, Hit, HitKind};
use crate::core::tracker::media::Params;

/// The context at the front of an outbox.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Wire {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    chapter: Option<Hit>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ad_break: Option<Hit>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ad: Option<Hit>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    states: Vec<Hit>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    playback: Option<HitKind>,
    #[serde(default, skip_serializing_if = "Params::is_empty")]
    qoe: Params,
}

impl Wire {
    /// A hit has left the queue, delivered or dropped.
    pub fn fold(&mut self, hit: &Hit) {
        if hit.has_detail() {
            let known = |key: &str| !key.starts_with("media.qoe.error");
            self.qoe.extend(hit.detail().qoe.into_iter().filter(|(key, _)| known(key)));
        }
        match hit.kind {
            HitKind::SessionStart => *self = Wire::default(),
            HitKind::Play | HitKind::PauseStart | HitKind::BufferStart => {
                self.playback = Some(hit.kind);
            }
            HitKind::AdBreakStart => self.ad_break = Some(hit.clone()),
            HitKind::AdBreakComplete => {
                self.ad_break = None;
                self.ad = None;
            }
            HitKind::AdStart => self.ad = Some(hit.clone()),
            HitKind::AdComplete | HitKind::AdSkip => self.ad = None,
            HitKind::ChapterStart => self.chapter = Some(hit.clone()),
            HitKind::ChapterComplete | HitKind::ChapterSkip => self.chapter = None,
            HitKind::StateStart => self.states.push(hit.clone()),
            HitKind::StateEnd => self.states.retain(|s| s.state_name() != hit.state_name()),
            HitKind::Ping
            | HitKind::BitrateChange
            | HitKind::Error
            | HitKind::SessionComplete
            | HitKind::SessionEnd => {}
        }
    }

    /// The hits that open the session anew, dated at `first`, the first undelivered hit: session,
    /// chapter, break, ad, states, playback state; no state of its own if `first` is one.
    pub fn reopen(&self, first: &Hit) -> Vec<Hit> {
        let dated = |hit: &Hit| hit.clone().dated(first.at, first.playhead);
        let bare = |kind| Hit::new(kind, first.at, first.playhead, Detail::default());
        let mut hits = vec![bare(HitKind::SessionStart)];
        let context = [&self.chapter, &self.ad_break, &self.ad].into_iter().flatten();
        hits.extend(context.chain(&self.states).map(dated));
        if let Some(kind) = self.playback.filter(|_| !first.kind.is_playback()) {
            hits.push(bare(kind));
        }
        // The new sid knows nothing of the quality yet.
        if let [_, .., last] = hits.as_mut_slice()
            && !self.qoe.is_empty()
        {
            let detail = Detail { qoe: self.qoe.clone(), ..last.detail() };
            *last = last.clone().with_detail(&detail);
        }
        hits
    }

    /// Whether these undelivered hits hold play time: a `play`, or any hit that is neither
    /// closing nor playback and is reported under `play` (api.md 2.11).
    pub fn plays<'a>(&self, hits: impl IntoIterator<Item = &'a Hit>) -> bool {
        let mut playback = self.playback;
        hits.into_iter().any(|hit| {
            if hit.kind.is_playback() {
                playback = Some(hit.kind);
                hit.kind == HitKind::Play
            } else {
                !hit.kind.is_closing() && playback == Some(HitKind::Play)
            }
        })
    }
}
