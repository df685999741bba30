//! Real splits and merges through the whole adapter, against an emulator that others wrote.

use ferrokinesis::store::StoreOptions;

use super::*;
use crate::stream::{OpenShards, StreamStatus};

/// ferrokinesis in this process, with a stream of one shard.
async fn emulator() -> AwsControlPlane {
    let options = StoreOptions { create_stream_ms: 0, update_stream_ms: 400, ..StoreOptions::default() };
    let (app, _store) = ferrokinesis::create_app(options);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    tokio::spawn(async move { axum::serve(listener, app).await });
    let timeouts = Timeouts::default();
    let options = AwsOptions { timeouts, ..super::options(&url) };
    let plane = AwsControlPlane::connect(&options).await.expect("valid options");
    plane.clients.kinesis.create_stream().stream_name("orders").shard_count(1).send().await.expect("created");
    wait(&plane).await;
    plane
}

async fn wait(plane: &AwsControlPlane) {
    for _ in 0..500 {
        let summary = plane.describe_stream_summary(&stream()).await.expect("a summary").value;
        if summary.status == StreamStatus::Active {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it stays {:?}", plane.describe_stream_summary(&stream()).await);
}

async fn open(plane: &AwsControlPlane) -> OpenShards {
    // It ignores the filter: open shards are told by their sequence numbers.
    let request = ListShards::First { stream: stream(), filter: ShardFilter::AtLatest };
    let listing = plane.list_shards(&request).await.expect("a listing").value;
    OpenShards::tile(&listing.shards).expect("it tiles")
}

#[tokio::test]
async fn shards_split_and_merge_on_an_emulator_that_others_wrote() {
    let plane = emulator().await;
    let whole = open(&plane).await.as_slice()[0].id.clone();
    plane.split_shard(&stream(), &whole, HashKey(1 << 127)).await.expect("it splits");
    let busy = plane.split_shard(&stream(), &whole, HashKey(1 << 126)).await.expect_err("it is UPDATING");
    assert_eq!(busy.class, ErrorClass::ResourceInUse, "{busy}");
    wait(&plane).await;
    let halves = open(&plane).await;
    let [low, high] = halves.as_slice() else { panic!("{halves:?}") };
    assert_eq!((&low.parent, low.range.is_followed_by(high.range)), (&Some(whole), true));
    plane.merge_shards(&stream(), &low.id, &high.id).await.expect("they merge");
    wait(&plane).await;
    let merged = open(&plane).await;
    assert_eq!((merged.len(), &merged.as_slice()[0].adjacent_parent), (1, &Some(high.id.clone())));
}

#[tokio::test]
async fn refusals_of_an_emulator_that_others_wrote_have_their_classes() {
    let plane = emulator().await;
    let whole = open(&plane).await.as_slice()[0].id.clone();
    let class = |outcome: Result<Reply<()>, RequestError>| outcome.expect_err("refused").class;
    assert_eq!(class(plane.split_shard(&stream(), &whole, HashKey(1)).await), ErrorClass::Invalid);
    let other = ShardId::new("shardId-000000000009");
    assert_eq!(class(plane.split_shard(&stream(), &other, HashKey(9)).await), ErrorClass::NotFound);
    let nowhere = StreamId::Name("nowhere".to_owned());
    let error = plane.describe_stream_summary(&nowhere).await.expect_err("no such stream");
    assert_eq!(error.class, ErrorClass::NotFound);
    assert!(error.message.contains("nowhere"), "{error}");
}
