//! What `playheadctl` shows of a collector of Media Edge when all is well.

use crate::box_and_collector::{ctl, ended, nothing_waits, play, start};

#[tokio::test]
async fn all_is_well() {
    let scene = start("").await;
    play(&scene.world.player().await, "ep-1", &["Play", "Pause", "StateStart"]).await;
    ended(&scene, "S1");
    nothing_waits(&scene).await;
    let address = scene.world.collector.address();
    let (code, shown) = ctl(&scene, &["status"]);
    assert_eq!(code, 0, "{shown}");
    let words = [
        format!("reporting to {address} (media-edge)"),
        "idle: nothing waits".to_owned(),
        "last heard  204 at 20".to_owned(),
        "5 hits delivered, 0 given up".to_owned(),
    ];
    assert!(words.iter().all(|words| shown.contains(words)), "expected {words:?} in: {shown}");
    let (code, shown) = ctl(&scene, &["doctor"]);
    let line = format!("https://{address} answers in");
    assert!(shown.contains(&line) && shown.contains("its certificate is good"), "{shown}");
    assert!(shown.contains("the last answer was 204"), "{shown}");
    assert_eq!(code, 0, "{shown}");
    assert_eq!(ctl(&scene, &["queue"]), (0, "nothing waits\n".to_owned()));
    let (code, shown) = ctl(&scene, &["queue", "--rejected"]);
    assert_eq!((code, &*shown), (0, "the collector has refused nothing for good\n"));
}
