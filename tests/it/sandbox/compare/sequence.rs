//! A sequence of calls, and what each was answered, without what must differ: times, sequence
//! numbers, tokens.

use std::time::Duration;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kinesis::operation::describe_stream_summary::builders::DescribeStreamSummaryFluentBuilder;
use aws_sdk_kinesis::operation::list_shards::builders::ListShardsFluentBuilder;
use aws_sdk_kinesis::operation::merge_shards::builders::MergeShardsFluentBuilder;
use aws_sdk_kinesis::operation::split_shard::builders::SplitShardFluentBuilder;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{
    MetricsName, PutRecordsRequestEntry, ScalingType, Shard, ShardFilter, ShardFilterType, ShardIteratorType,
    StreamDescriptionSummary, StreamMode, StreamModeDetails, StreamStatus,
};

use super::Log;

/// A client, and the stream of one section of the sequence: what one section breaks in an emulator,
/// the next does not see.
struct Section<'a> {
    client: &'a Client,
    stream: &'static str,
}

impl Section<'_> {
    fn arn(&self) -> String {
        format!("arn:aws:kinesis:us-east-1:123456789012:stream/{}", self.stream)
    }

    /// Waits until the stream is ACTIVE; it is an error of the sequence if it never is.
    async fn active(&self) {
        for _ in 0..400 {
            let reply = self.client.describe_stream_summary().stream_name(self.stream).send().await;
            let reply = reply.expect("it is described");
            let status = reply.stream_description_summary().map(|summary| summary.stream_status().clone());
            if status == Some(StreamStatus::Active) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("the stream {} does not become ACTIVE", self.stream);
    }

    fn list(&self) -> ListShardsFluentBuilder {
        self.client.list_shards().stream_name(self.stream)
    }

    fn describe(&self) -> DescribeStreamSummaryFluentBuilder {
        self.client.describe_stream_summary().stream_name(self.stream)
    }

    fn split(&self, shard: u32, at: u128) -> SplitShardFluentBuilder {
        let split = self.client.split_shard().stream_name(self.stream).shard_to_split(id(shard));
        split.new_starting_hash_key(at.to_string())
    }

    fn merge(&self, low: u32, high: u32) -> MergeShardsFluentBuilder {
        let merge = self.client.merge_shards().stream_name(self.stream).shard_to_merge(id(low));
        merge.adjacent_shard_to_merge(id(high))
    }

    /// Splits the second of four shards in its middle: 1 into 4 and 5.
    async fn split_the_second(&self) {
        self.split(1, QUARTER + QUARTER / 2).send().await.expect("it is split");
        self.active().await;
    }
}

/// The shards of a stream of four begin at its multiples.
const QUARTER: u128 = 1 << 126;
/// The space has 2^128 keys, from 0 on.
const ABOVE: &str = "340282366920938463463374607431768211456";

/// Sends a request and notes the answer under the step's name.
macro_rules! step {
    ($log:ident, $step:expr, $request:expr, |$reply:pat_param| $told:expr) => {
        let told = match $request.send().await {
            Ok($reply) => $told.to_string(),
            Err(error) => refusal(&error),
        };
        assert!($log.insert($step, told).is_none(), "two steps are called '{}'", $step);
    };
    ($log:ident, $step:expr, $request:expr) => {
        step!($log, $step, $request, |_| "done")
    };
}

/// Makes a stream of four shards for each section and does to it all that can be done.
pub async fn run(client: &Client) -> Log {
    let mut log = Log::new();
    streams(client, &mut log).await;
    let section = async |stream: &'static str| {
        client.create_stream().stream_name(stream).shard_count(4).send().await.expect("it is made");
        let section = Section { client, stream };
        section.active().await;
        section
    };
    // Alone: it makes calls while the stream is UPDATING, and nothing shall slow them down.
    let splits = splits(section("splits").await).await;
    // No more than four at once: AWS makes five streams at a time.
    let (narrow, merges, closed_split, closed_merge) = tokio::join!(
        async { narrow_splits(section("narrow").await).await },
        async { merges(section("merges").await).await },
        async { closed_split(section("closed-split").await).await },
        async { closed_merge(section("closed-merge").await).await },
    );
    let (records, settings, counts) = tokio::join!(
        async { records(section("records").await).await },
        async { settings(section("settings").await).await },
        async { counts(section("counts").await).await },
    );
    for part in [splits, narrow, merges, closed_split, closed_merge, records, settings, counts] {
        for (step, told) in part {
            assert!(log.insert(step, told).is_none(), "two steps are called '{step}'");
        }
    }
    log
}

/// The error's code, or the reply's status where it has none.
fn refusal<E: ProvideErrorMetadata>(error: &SdkError<E>) -> String {
    let status = || error.raw_response().map_or(0, |reply| reply.status().as_u16());
    error.code().map_or_else(|| format!("HTTP {} without a code", status()), str::to_owned)
}

async fn streams(client: &Client, log: &mut Log) {
    let on = Section { client, stream: "orders" };
    let create = || client.create_stream().stream_name(on.stream);
    step!(log, "create a stream of 0 shards", create().shard_count(0));
    step!(log, "create a stream with a bad name", client.create_stream().stream_name("a b").shard_count(1));
    step!(log, "create a stream", create().shard_count(4));
    step!(log, "create it again", create().shard_count(4));
    step!(log, "describe it while CREATING", on.describe(), |reply| summary(
        reply.stream_description_summary()
    ));
    step!(log, "split it while CREATING", on.split(0, 17));
    on.active().await;
    step!(log, "describe it when ACTIVE", on.describe(), |reply| summary(reply.stream_description_summary()));
    step!(log, "list its shards", on.list(), |reply| shards(reply.shards()));
    step!(log, "list the streams", client.list_streams(), |reply| format!(
        "{:?} more: {}",
        reply.stream_names(),
        reply.has_more_streams()
    ));
    let describe = client.describe_stream().stream_name(on.stream).limit(2);
    step!(log, "describe two of its shards", describe, |reply| {
        let described = reply.stream_description().expect("there is a description");
        format!("{} more: {}", shards(described.shards()), described.has_more_shards())
    });
    step!(log, "tell the limits", client.describe_limits(), |reply| format!(
        "{} open",
        reply.open_shard_count()
    ));
    step!(log, "describe a stream that is not", client.describe_stream_summary().stream_name("none"));
    step!(log, "list the shards of one that is not", client.list_shards().stream_name("none"));
    step!(log, "list no stream's shards", client.list_shards());
    step!(log, "describe no stream", client.describe_stream_summary());
}

async fn splits(on: Section<'_>) -> Log {
    let mut log = Log::new();
    step!(log, "split at the end + 1", on.split(1, 2 * QUARTER));
    step!(log, "split a shard that is not", on.split(99, QUARTER));
    step!(log, "split a shard without a number", on.split(1, QUARTER).shard_to_split("shard"));
    step!(log, "split above the space", on.split(1, 0).new_starting_hash_key(ABOVE));
    step!(log, "split in a stream that is not", on.split(1, QUARTER).stream_name("none"));
    step!(log, "split", on.split(1, QUARTER + QUARTER / 2));
    step!(log, "describe while UPDATING", on.describe(), |reply| summary(reply.stream_description_summary()));
    step!(log, "list while UPDATING", on.list(), |reply| shards(reply.shards()));
    step!(log, "split while UPDATING", on.split(0, 17));
    step!(log, "merge while UPDATING", on.merge(2, 3));
    on.active().await;
    step!(log, "list after the split", on.list(), |reply| shards(reply.shards()));
    listings(on, &mut log).await;
    log
}

/// Split points that leave a child one key or none, each in its own shard.
async fn narrow_splits(on: Section<'_>) -> Log {
    let mut log = Log::new();
    step!(log, "split at the start + 2", on.split(0, 2));
    on.active().await;
    step!(log, "list after the narrowest split", on.list(), |reply| shards(reply.shards()));
    step!(log, "split two keys", on.split(4, 1));
    on.active().await;
    step!(log, "split at the start + 1", on.split(1, QUARTER + 1));
    on.active().await;
    step!(log, "split at the end", on.split(2, 3 * QUARTER - 1));
    on.active().await;
    step!(log, "split at the start", on.split(3, 3 * QUARTER));
    on.active().await;
    log
}

async fn merges(on: Section<'_>) -> Log {
    let mut log = Log::new();
    step!(log, "merge what is not adjacent", on.merge(1, 3));
    step!(log, "merge the higher with the lower", on.merge(3, 2));
    on.active().await;
    step!(log, "merge a shard with itself", on.merge(1, 1));
    on.active().await;
    step!(log, "merge one that is not", on.merge(1, 99));
    step!(log, "merge", on.merge(0, 1));
    step!(log, "describe while merging", on.describe(), |reply| summary(reply.stream_description_summary()));
    on.active().await;
    step!(log, "list after the merge", on.list(), |reply| shards(reply.shards()));
    step!(log, "count after the merge", on.describe(), |reply| summary(reply.stream_description_summary()));
    log
}

async fn closed_split(on: Section<'_>) -> Log {
    let mut log = Log::new();
    on.split_the_second().await;
    step!(log, "split a closed shard", on.split(1, QUARTER + QUARTER / 2));
    log
}

async fn closed_merge(on: Section<'_>) -> Log {
    let mut log = Log::new();
    on.split_the_second().await;
    step!(log, "merge a closed shard", on.merge(1, 2));
    log
}

async fn listings(on: Section<'_>, log: &mut Log) {
    let filter = |kind| ShardFilter::builder().r#type(kind);
    for (step, kind) in [
        ("list AT_LATEST", ShardFilterType::AtLatest),
        ("list AT_TRIM_HORIZON", ShardFilterType::AtTrimHorizon),
        ("list FROM_TRIM_HORIZON", ShardFilterType::FromTrimHorizon),
        ("list AFTER_SHARD_ID without one", ShardFilterType::AfterShardId),
        ("list AT_TIMESTAMP without one", ShardFilterType::AtTimestamp),
    ] {
        let filter = filter(kind).build().expect("it has a type");
        step!(log, step, on.list().shard_filter(filter), |reply| ids(reply.shards()));
    }
    let after = filter(ShardFilterType::AfterShardId).shard_id(id(3)).build().expect("it has a type");
    step!(log, "list AFTER_SHARD_ID", on.list().shard_filter(after), |reply| ids(reply.shards()));
    step!(log, "list after a shard", on.list().exclusive_start_shard_id(id(3)), |reply| ids(reply.shards()));
    step!(log, "list a first page", on.list().max_results(4), |reply| format!(
        "{} more: {}",
        ids(reply.shards()),
        reply.next_token().is_some()
    ));
    let page = on.list().max_results(4).send().await.expect("a first page is listed");
    let token = page.next_token().unwrap_or_default();
    let next = on.client.list_shards().next_token(token);
    step!(log, "list a next page by its token", next, |reply| ids(reply.shards()));
    let both = on.list().next_token(token);
    step!(log, "list a next page by token and name", both, |reply| ids(reply.shards()));
    step!(log, "list by a token of no list", on.client.list_shards().next_token("AAAA"), |reply| ids(
        reply.shards()
    ));
    step!(log, "list too large a page", on.list().max_results(10_001), |reply| ids(reply.shards()));
    step!(log, "list by ARN", on.client.list_shards().stream_arn(on.arn()), |reply| ids(reply.shards()));
    let describe = on.client.describe_stream_summary().stream_arn(on.arn());
    step!(log, "describe by ARN", describe, |reply| summary(reply.stream_description_summary()));
}

async fn records(on: Section<'_>) -> Log {
    let mut log = Log::new();
    on.split_the_second().await;
    let Section { client, stream } = on;
    let put = |key: &str| client.put_record().stream_name(stream).partition_key(key).data(Blob::new("data"));
    let mut homes = Vec::new();
    for number in 0..40 {
        let reply = put(&format!("key {number} é")).send().await;
        homes.push(reply.map_or_else(|error| refusal(&error), |reply| short(reply.shard_id()).to_owned()));
    }
    log.insert("put by forty partition keys", homes.join(" "));
    let at = |key: u128| put("k").explicit_hash_key(key.to_string());
    step!(log, "put at the lowest hash key", at(0), |reply| short(reply.shard_id()).to_owned());
    step!(log, "put at the highest hash key", at(u128::MAX), |reply| short(reply.shard_id()).to_owned());
    let above = put("k").explicit_hash_key(ABOVE);
    step!(log, "put above the space", above, |reply| short(reply.shard_id()).to_owned());
    step!(log, "put below the space", put("k").explicit_hash_key("-1"));
    step!(log, "put without a key", put(""));
    step!(log, "put too long a key", put(&"k".repeat(257)));
    step!(log, "put too large a record", put("k").data(Blob::new(vec![0; (1 << 20) + 1])));
    step!(log, "put to a stream that is not", put("k").stream_name("none"));
    let entry = |key: &str, text: &str| {
        let entry = PutRecordsRequestEntry::builder().partition_key(key).data(Blob::new(text));
        entry.explicit_hash_key("0").build().expect("it is whole")
    };
    let many = client.put_records().stream_name(stream).records(entry("a", "one")).records(entry("b", "two"));
    step!(log, "put two records", many, |reply| format!(
        "failed: {:?}, {}",
        reply.failed_record_count(),
        reply
            .records()
            .iter()
            .map(|record| short(record.shard_id().unwrap_or("?")))
            .collect::<Vec<_>>()
            .join(" ")
    ));
    let none = client.put_records().stream_name(stream).set_records(Some(Vec::new()));
    step!(log, "put no records", none);

    let iterator = |shard: &str, kind| {
        client.get_shard_iterator().stream_name(stream).shard_id(shard).shard_iterator_type(kind)
    };
    step!(log, "iterate a shard that is not", iterator(&id(99), ShardIteratorType::Latest));
    step!(log, "iterate from no sequence number", iterator(&id(0), ShardIteratorType::AtSequenceNumber));
    step!(log, "iterate from no time", iterator(&id(0), ShardIteratorType::AtTimestamp));
    step!(log, "read by no iterator", client.get_records().shard_iterator("AAAA"));
    for (step, shard, kind) in [
        ("read an open shard", id(0), ShardIteratorType::TrimHorizon),
        ("read an open shard's end", id(0), ShardIteratorType::Latest),
        ("read a closed shard", id(1), ShardIteratorType::TrimHorizon),
    ] {
        let told = match iterator(&shard, kind).send().await {
            Ok(reply) => read(client, reply.shard_iterator().unwrap_or_default()).await,
            Err(error) => refusal(&error),
        };
        log.insert(step, told);
    }
    log
}

/// The first reply for an iterator.
async fn read(client: &Client, iterator: &str) -> String {
    match client.get_records().shard_iterator(iterator).send().await {
        Ok(reply) => {
            let text = |record: &aws_sdk_kinesis::types::Record| {
                format!(
                    "{}={}",
                    record.partition_key().unwrap_or("?"),
                    String::from_utf8_lossy(record.data().as_ref())
                )
            };
            let children: Vec<_> = reply.child_shards().iter().map(|child| short(child.shard_id())).collect();
            let texts: Vec<_> = reply.records().iter().map(text).collect();
            format!("{texts:?} next: {} children: {children:?}", reply.next_shard_iterator().is_some())
        }
        Err(error) => refusal(&error),
    }
}

async fn settings(on: Section<'_>) -> Log {
    let mut log = Log::new();
    let Section { client, stream } = on;
    let arn = on.arn();
    step!(
        log,
        "tag",
        client.add_tags_to_stream().stream_name(stream).tags("team", "payments").tags("tier", "1")
    );
    step!(log, "untag", client.remove_tags_from_stream().stream_name(stream).tag_keys("tier"));
    step!(log, "list tags", client.list_tags_for_stream().stream_name(stream), |reply| format!(
        "{:?}",
        reply.tags()
    ));
    step!(log, "list tags by resource", client.list_tags_for_resource().resource_arn(&arn), |reply| format!(
        "{:?}",
        reply.tags()
    ));
    let longer =
        |hours| client.increase_stream_retention_period().stream_name(stream).retention_period_hours(hours);
    let shorter =
        |hours| client.decrease_stream_retention_period().stream_name(stream).retention_period_hours(hours);
    step!(log, "keep for 48 hours", longer(48));
    on.active().await;
    step!(log, "keep for longer, that is 30 hours", longer(30));
    on.active().await;
    step!(log, "keep for 9000 hours", longer(9_000));
    step!(log, "keep for shorter, that is 72 hours", shorter(72));
    step!(log, "keep for 23 hours", shorter(23));
    step!(log, "keep for 24 hours", shorter(24));
    on.active().await;
    let told = |current: &[MetricsName], desired: &[MetricsName]| {
        let sorted = |names: &[MetricsName]| {
            let mut names: Vec<_> = names.iter().map(|name| name.as_str().to_owned()).collect();
            names.sort();
            names.join(" ")
        };
        format!("from [{}] to [{}]", sorted(current), sorted(desired))
    };
    let monitor = client
        .enable_enhanced_monitoring()
        .stream_name(stream)
        .shard_level_metrics(MetricsName::IncomingBytes);
    step!(log, "monitor a metric", monitor, |reply| told(
        reply.current_shard_level_metrics(),
        reply.desired_shard_level_metrics()
    ));
    on.active().await;
    let monitor =
        client.enable_enhanced_monitoring().stream_name(stream).shard_level_metrics(MetricsName::All);
    step!(log, "monitor all metrics", monitor, |reply| told(
        reply.current_shard_level_metrics(),
        reply.desired_shard_level_metrics()
    ));
    on.active().await;
    let off = client.disable_enhanced_monitoring().stream_name(stream).shard_level_metrics(MetricsName::All);
    step!(log, "monitor none", off, |reply| told(
        reply.current_shard_level_metrics(),
        reply.desired_shard_level_metrics()
    ));
    on.active().await;
    let register = || client.register_stream_consumer().stream_arn(&arn).consumer_name("search");
    step!(log, "register a consumer", register(), |reply| reply
        .consumer()
        .map_or("?", |consumer| consumer.consumer_name())
        .to_owned());
    step!(log, "register it again", register());
    step!(log, "list consumers", client.list_stream_consumers().stream_arn(&arn), |reply| reply
        .consumers()
        .len());
    deletion(&on, &mut log).await;
    log
}

async fn counts(on: Section<'_>) -> Log {
    let mut log = Log::new();
    let Section { client, stream } = on;
    let update = |count| {
        let update = client.update_shard_count().stream_name(stream).target_shard_count(count);
        update.scaling_type(ScalingType::UniformScaling)
    };
    step!(log, "count to more than twice", update(9));
    on.active().await;
    step!(log, "count to less than half", update(1));
    on.active().await;
    step!(log, "count to 0", update(0));
    step!(log, "count to twice", update(8), |reply| format!(
        "{:?} to {:?}",
        reply.current_shard_count(),
        reply.target_shard_count()
    ));
    on.active().await;
    let latest = ShardFilter::builder().r#type(ShardFilterType::AtLatest).build().expect("it has a type");
    step!(log, "list after the count", on.list().shard_filter(latest).max_results(1_000), |reply| {
        let open = reply.shards().iter().filter(|shard| is_open(shard));
        let mut starts: Vec<u128> = open.map(|shard| bounds(shard).0).collect();
        starts.sort_unstable();
        format!("{} open, the second from {}", starts.len(), starts[1])
    });
    on_demand(&on, &mut log).await;
    log
}

async fn on_demand(on: &Section<'_>, log: &mut Log) {
    let mode = StreamModeDetails::builder().stream_mode(StreamMode::OnDemand).build().expect("it has a mode");
    let update = on.client.update_stream_mode().stream_arn(on.arn()).stream_mode_details(mode);
    step!(log, "turn to on-demand", update);
    on.active().await;
    let listing = on.list().send().await.expect("they are listed");
    let last = listing.shards().iter().rfind(|shard| is_open(shard)).expect("there is an open shard");
    let at = (bounds(last).0 + 17).to_string();
    let split = on.client.split_shard().stream_name(on.stream).shard_to_split(last.shard_id());
    step!(log, "split on demand", split.new_starting_hash_key(at));
    on.active().await;
}

async fn deletion(on: &Section<'_>, log: &mut Log) {
    let delete = || on.client.delete_stream().stream_name(on.stream);
    step!(log, "delete a stream that is not", delete().stream_name("none"));
    step!(log, "delete a stream that has a consumer", delete());
    step!(log, "delete a stream and its consumer", delete().enforce_consumer_deletion(true));
    step!(log, "describe while DELETING", on.describe(), |reply| {
        reply.stream_description_summary().map_or("?", |summary| summary.stream_status().as_str()).to_owned()
    });
}

fn id(number: u32) -> String {
    format!("shardId-{number:012}")
}

fn short(id: &str) -> &str {
    match id.trim_start_matches("shardId-").trim_start_matches('0') {
        "" => "0",
        short => short,
    }
}

fn is_open(shard: &Shard) -> bool {
    shard.sequence_number_range().is_some_and(|range| range.ending_sequence_number().is_none())
}

fn bounds(shard: &Shard) -> (u128, u128) {
    let range = shard.hash_key_range().expect("a shard has a range");
    let number = |key: &str| key.parse().expect("a hash key is a number");
    (number(range.starting_hash_key()), number(range.ending_hash_key()))
}

fn ids(shards: &[Shard]) -> String {
    shards.iter().map(|shard| short(shard.shard_id())).collect::<Vec<_>>().join(" ")
}

/// ID, width in quarters of the space (a range narrower than a millionth of it in keys), lineage.
fn shards(shards: &[Shard]) -> String {
    let shard = |shard: &Shard| {
        let (start, end) = bounds(shard);
        let width = match end - start {
            few if few < QUARTER / 1_000_000 => format!("{} keys", few + 1),
            many => format!("{:.3}", many as f64 / QUARTER as f64),
        };
        let from = [shard.parent_shard_id(), shard.adjacent_parent_shard_id()];
        let from: Vec<_> = from.into_iter().flatten().map(short).collect();
        let closed = if is_open(shard) { "" } else { " closed" };
        format!(
            "{}:{width}{closed}{}",
            short(shard.shard_id()),
            from.iter().map(|id| format!(" from {id}")).collect::<String>()
        )
    };
    shards.iter().map(shard).collect::<Vec<_>>().join(", ")
}

fn summary(summary: Option<&StreamDescriptionSummary>) -> String {
    let summary = summary.expect("there is a summary");
    format!(
        "{} {} {} open, {} h, {:?}, {} consumers",
        summary.stream_name(),
        summary.stream_status(),
        summary.open_shard_count(),
        summary.retention_period_hours(),
        summary.stream_mode_details().map(|details| details.stream_mode().as_str()),
        summary.consumer_count().unwrap_or_default(),
    )
}
