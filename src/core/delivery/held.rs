//! What would be sent if the viewer allowed it, for whoever watches (`playheadctl monitor`).

use super::log::Log;
use super::requests::content;
use crate::core::clock::Anchor;
use crate::core::dialect::DatedReport;
use crate::core::dialect::exchange::Purpose;
use crate::core::report::{Kind, Report};
use crate::core::settings::Settings;
use crate::core::time::Now;

/// A hit that consent holds back, as its dialect makes it.
#[derive(Debug, Clone, PartialEq)]
pub struct HeldHit {
    pub path: String,
    /// JSON text.
    pub body: String,
}

/// A report of a log as the first collector would get it. A session that is not open there yet has
/// the id `-`.
pub(super) fn hit(log: &Log, report: &Report, now: Now, settings: &Settings) -> Option<HeldHit> {
    let lane = log.lanes.first()?;
    let purpose = match log.purpose(lane) {
        Purpose::Open if report.kind() != Kind::Start => Purpose::Report { sid: "-".into() },
        purpose => purpose,
    };
    let ts = lane.anchor.unwrap_or_else(|| Anchor::taken(now)).wall(report.at);
    let dated = [DatedReport { ts, number: log.summary.next as i64, report }];
    let content = content(&purpose, log, 0, settings, &dated)?;
    let mut body = String::new();
    lane.dialect.append(&mut body, &content);
    lane.dialect.finish(&mut body, &content);
    Some(HeldHit { path: lane.dialect.path(&content), body })
}
