//! What a collector knows of a session: the fold over the reports that were delivered or dropped.
//! A lost session is opened again with this whole context (spec 5.3, behaviour.md 2.11), so a
//! second loss loses nothing either.

use serde::{Deserialize, Serialize};

use super::media::{Ad, AdBreak, Chapter, Qoe};
use super::report::{Kind, Report, What};

/// What is open in a session, after some of its reports.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SessionContext {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    chapter: Option<Box<Chapter>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ad_break: Option<Box<AdBreak>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ad: Option<Box<Ad>>,
    /// In the order in which they began.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    states: Vec<Box<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    playback: Option<Kind>,
    #[serde(default, skip_serializing_if = "is_unknown")]
    quality: Qoe,
}

fn is_unknown(quality: &Qoe) -> bool {
    *quality == Qoe::default()
}

impl SessionContext {
    /// The playback state: `Play`, `Pause` or `Buffer`; `None` before the first.
    pub fn playback(&self) -> Option<Kind> {
        self.playback
    }

    pub fn in_ad(&self) -> bool {
        self.ad.is_some()
    }

    /// Estimated bytes of its texts in the store.
    pub fn text_bytes(&self) -> u64 {
        let chapter = self.chapter.as_ref().map_or(0, |chapter| chapter.text_bytes());
        let ad = self.ad.as_ref().map_or(0, |ad| ad.text_bytes());
        let ad_break = self.ad_break.as_ref().map_or(0, |ad_break| ad_break.name.len());
        let states: usize = self.states.iter().map(|name| name.len()).sum();
        (chapter + ad + ad_break + states) as u64
    }

    /// Adds a report that was delivered or dropped.
    pub fn fold(&mut self, report: &Report) {
        if report.kind() == Kind::Start {
            *self = SessionContext::default();
        }
        if let Some(quality) = &report.quality {
            self.quality = self.quality.updated(**quality);
        }
        match &report.what {
            What::Play | What::Pause | What::Buffer => self.playback = Some(report.kind()),
            What::AdBreakStart(ad_break) => self.ad_break = Some(ad_break.clone()),
            What::AdBreakComplete => {
                self.ad_break = None;
                self.ad = None;
            }
            What::AdStart(ad) => self.ad = Some(ad.clone()),
            What::AdComplete | What::AdSkip => self.ad = None,
            What::ChapterStart(chapter) => self.chapter = Some(chapter.clone()),
            What::ChapterComplete | What::ChapterSkip => self.chapter = None,
            What::StateOn(name) => self.states.push(name.clone()),
            What::StateOff(name) => self.states.retain(|on| on != name),
            What::Start { .. }
            | What::Ping
            | What::BitrateChange
            | What::Error(_)
            | What::Complete
            | What::End => {}
        }
    }

    /// The reports that open the session anew, dated at `first`, the first undelivered report:
    /// session, chapter, break, ad, states, playback state (left out if `first` reports one).
    pub fn reopening(&self, first: &Report) -> Vec<Report> {
        let mut whats = vec![What::Start { resume: true }];
        whats.extend(self.chapter.clone().map(What::ChapterStart));
        whats.extend(self.ad_break.clone().map(What::AdBreakStart));
        whats.extend(self.ad.clone().map(What::AdStart));
        whats.extend(self.states.iter().cloned().map(What::StateOn));
        if !first.kind().is_playback() {
            whats.extend(self.playback.and_then(playback_report));
        }
        let dated = |what| Report::new(what, first.at, first.playhead);
        let mut reports: Vec<Report> = whats.into_iter().map(dated).collect();
        // The new session starts without quality at the collector (behaviour.md 2.11).
        reports[0].quality = (!is_unknown(&self.quality)).then(|| Box::new(self.quality));
        reports
    }
}

fn playback_report(kind: Kind) -> Option<What> {
    match kind {
        Kind::Play => Some(What::Play),
        Kind::Pause => Some(What::Pause),
        Kind::Buffer => Some(What::Buffer),
        _ => None,
    }
}
