//! The sandbox beside emulators that others wrote: the same calls through the same SDK, the same
//! replies. Where they differ, the table in `compare/differences.rs` says why, and a difference that
//! is gone or has changed fails as a new one does.

mod differences;
mod sequence;

use std::collections::BTreeMap;

use ferrokinesis::store::StoreOptions;
use jiff::SignedDuration;
use reshard::simulator::Config;
use tokio::net::TcpListener;

use super::client::{kinesis, sandbox_of};
use differences::{Difference, FERROKINESIS, KINESIS_LOCAL};

/// What each step of the sequence was answered, by the step's name.
type Log = BTreeMap<&'static str, String>;

/// How long a change takes, real time: longer than a few calls on a busy machine.
const CHANGE_MILLIS: u64 = 800;

async fn of_sandbox() -> Log {
    let mut config = Config::default();
    let speed = 60;
    let change = SignedDuration::from_secs(i64::from(speed) * CHANGE_MILLIS.cast_signed() / 1_000);
    for timing in [
        &mut config.timings.create,
        &mut config.timings.delete,
        &mut config.timings.split,
        &mut config.timings.merge,
        &mut config.timings.update_shard_count,
        &mut config.timings.other_update,
    ] {
        *timing = change;
    }
    let sandbox = sandbox_of(config, speed).await;
    sequence::run(&kinesis(&sandbox.endpoint_url())).await
}

fn compare(ours: &Log, theirs: &Log, known: &[Difference]) {
    let mut wrong = Vec::new();
    for (step, ours) in ours {
        let theirs = &theirs[step];
        match known.iter().find(|known| known.step == *step) {
            None if ours == theirs => {}
            None => wrong.push(format!("{step}\n    ours   {ours}\n    theirs {theirs}")),
            Some(known) if known.ours == ours && known.theirs == theirs => {}
            Some(known) => wrong.push(format!(
                "{step} differs otherwise than the table says\n    ours   {ours}\n     known {}\n    theirs {theirs}\n     known {}",
                known.ours, known.theirs
            )),
        }
    }
    for known in known {
        assert!(
            ours.contains_key(known.step),
            "the table names the step '{}', which does not exist",
            known.step
        );
        assert!(known.ours != known.theirs, "'{}' is in the table, but is no difference", known.step);
        assert!(!known.reason.is_empty(), "'{}' has no reason", known.step);
    }
    assert!(wrong.is_empty(), "{} steps differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test]
async fn ferrokinesis_answers_the_same_but_for_known_differences() {
    let (create_stream_ms, delete_stream_ms, update_stream_ms) =
        (CHANGE_MILLIS, CHANGE_MILLIS, CHANGE_MILLIS);
    let options = StoreOptions {
        create_stream_ms,
        delete_stream_ms,
        update_stream_ms,
        shard_limit: 20_000,
        aws_account_id: Config::default().account_id,
        ..StoreOptions::default()
    };
    let (app, _store) = ferrokinesis::create_app(options);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
    let url = format!("http://{}", listener.local_addr().expect("it is bound"));
    let server = tokio::spawn(async move { axum::serve(listener, app).await });
    let (ours, theirs) = tokio::join!(of_sandbox(), async { sequence::run(&kinesis(&url)).await });
    server.abort();
    compare(&ours, &theirs, FERROKINESIS);
}

/// Runs where `RESHARD_KINESIS_LOCAL` has the address of a kinesis-local, as `.ci/kinesis-local` sets
/// it; passes at once where it has none.
#[tokio::test]
async fn kinesis_local_answers_the_same_but_for_known_differences() {
    let Ok(url) = std::env::var("RESHARD_KINESIS_LOCAL") else { return };
    let client = kinesis(&url);
    let (ours, theirs) = tokio::join!(of_sandbox(), sequence::run(&client));
    compare(&ours, &theirs, KINESIS_LOCAL);
}
