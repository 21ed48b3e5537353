//! A player on Tokio: it asks where the viewer was, plays a few seconds and leaves.
//!
//! usage: player [MEDIA_ID [BUS_ADDRESS]], with `--features tokio`

use std::time::Duration;

use playhead::{Agent, Bus, Media, Notice};

fn main() -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(play())
}

async fn play() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let id = arguments.next().unwrap_or("film-1".into());
    let bus = arguments.next().map_or(Bus::System, Bus::Address);
    let app = "tv.example.player";

    let agent = Agent::connect(bus)?;
    let mut notices = agent.notices();
    tokio::spawn(async move {
        while let Some(notice) = notices.next().await {
            match notice {
                Notice::Failed { error, .. } => eprintln!("{error}"),
                Notice::Closed { reason, .. } => println!("closed: {}", reason.name()),
                _ => {}
            }
        }
    });

    // The film is played whatever becomes of the agent.
    let point = agent.resume_point(&id, app).await.unwrap_or_else(|error| {
        eprintln!("{error}");
        None
    });
    let start = point.filter(|point| !point.completed).map_or(0.0, |point| point.position);
    let media = Media {
        app: app.into(),
        name: "A Film".into(),
        length: 600.0,
        metadata: [("media.genre".into(), "drama".into())].into(),
        ..Media::new(&id)
    };
    let film = agent.open(start, &media);
    film.play(start);
    tokio::time::sleep(Duration::from_secs(1)).await;
    film.pause(start + 1.0);
    film.play(start + 1.0);
    tokio::time::sleep(Duration::from_secs(1)).await;
    film.end(start + 2.0);

    let unsaid = agent.close().await;
    println!("played {id} from {start} to {}; {unsaid} messages not said", start + 2.0);
    Ok(())
}
