//! When a stop is a completion (behaviour.md 1.7, "Events").

use super::position::JUMP_SECONDS;

/// So near to the end, a stop is a completion: seconds, or a share of the length if that is more,
/// but never more than a tenth.
const END_SECONDS: f64 = 5.0;
const END_SHARE: f64 = 0.02;
const MOST_SHARE: f64 = 0.1;

/// Whether the end counts as reached at a position; never, when the length is unknown.
pub fn reached(position: f64, length: Option<f64>) -> bool {
    length.is_some_and(|length| {
        length - position <= (length * END_SHARE).max(END_SECONDS).min(length * MOST_SHARE)
    })
}

/// Whether a pause at this position is a completion: players that keep the last picture end so.
pub fn pause_completes(position: f64, length: Option<f64>) -> bool {
    reached(position, length) && length.is_some_and(|length| length - position <= END_SECONDS)
}

/// Whether a jump from `position` to `to` is that of a player that repeats the track: from the end
/// to the beginning, or to where it would be by now.
pub fn repeats(position: f64, to: f64, length: Option<f64>, start_seconds: f64) -> bool {
    let by_now = length.map_or(0.0, |length| position - length + JUMP_SECONDS);
    reached(position, length) && to <= start_seconds.max(by_now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_near_in_proportion_to_the_length() {
        for (position, length, ended, by_pause) in [
            (587.0, 600.0, false, false),
            (588.5, 600.0, true, false),
            (595.5, 600.0, true, true),
            (7_050.0, 7_200.0, false, false),
            (7_100.0, 7_200.0, true, false),
            (17.0, 20.0, false, false),
            (18.5, 20.0, true, true),
        ] {
            assert_eq!(reached(position, Some(length)), ended, "{position} of {length}");
            assert_eq!(pause_completes(position, Some(length)), by_pause, "{position} of {length}");
        }
        assert!(!reached(1e9, None));
    }

    #[test]
    fn a_repetition_goes_from_the_end_to_the_beginning() {
        let length = Some(100.0);
        assert!(repeats(99.0, 0.5, length, 2.0));
        assert!(repeats(120.0, 20.0, length, 2.0), "found 20 s later");
        assert!(!repeats(120.0, 60.0, length, 2.0), "a seek");
        assert!(!repeats(50.0, 0.0, length, 2.0), "not from the end");
    }
}
