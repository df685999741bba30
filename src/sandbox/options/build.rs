//! From options to a model with its stream, its load and the past of both.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::{ByteRate, SandboxOptions, Shape};
use crate::simulator::api::{ChangeEnhancedMonitoring, CreateStream, StreamRef};
use crate::simulator::workload::{Consumer, ConsumerKind, Curve, CurveError, KeySkew, Scale, Workload};
use crate::simulator::{ApiError, Cloud, Config};
use jiff::{SignedDuration, Timestamp};

/// Options that no sandbox can be made of.
#[derive(Debug, thiserror::Error)]
pub enum OptionsError {
    /// Whoever reaches that address could use the sandbox.
    #[error(
        "--listen {0} is not an address of the loopback, such as 127.0.0.1:4567; other machines may connect only \
         with --allow-remote-clients"
    )]
    NotLoopback(SocketAddr),
    /// A number out of its range.
    #[error("{option} is {value}, where {right} is right")]
    OutOfRange {
        /// The option's name.
        option: &'static str,
        /// What was given.
        value: String,
        /// What would do.
        right: &'static str,
    },
    /// A load without a stream to put it on.
    #[error("{0} needs a stream: give --stream NAME besides")]
    NoStream(&'static str),
    /// The trace is not there or not readable.
    #[error("cannot read the trace {path}: {source}")]
    Trace {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The trace is not a CSV of rates.
    #[error("{path}: {source}")]
    TraceContent {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: CurveError,
    },
    /// Two options that exclude each other.
    #[error("{0} and {1} exclude each other")]
    Exclusive(&'static str, &'static str),
    /// The model refused what an option says.
    #[error("{option}: {source}")]
    Refused {
        /// The option's name.
        option: &'static str,
        /// The model's answer, in AWS's words.
        source: ApiError,
    },
}

/// The fastest that the sandbox's time runs: a day in less than a second.
const FASTEST: u32 = 100_000;
/// The most shards of a stream (UpdateShardCount's own bound; API Reference).
const MOST_SHARDS: u32 = 10_000;
/// Keys of a Zipf distribution unless the number is given.
const ZIPF_KEYS: u32 = 10_000;

impl SandboxOptions {
    /// Checks what needs neither file nor model.
    ///
    /// # Errors
    /// [`OptionsError`] says which option is wrong and what would be right.
    pub fn check(&self) -> Result<(), OptionsError> {
        if !self.allow_remote_clients && !self.listen.ip().is_loopback() {
            return Err(OptionsError::NotLoopback(self.listen));
        }
        let out_of_range =
            |option, value: String, right| Err(OptionsError::OutOfRange { option, value, right });
        if !(1..=FASTEST).contains(&self.speed) {
            return out_of_range("--speed", self.speed.to_string(), "1 to 100000");
        }
        if !(1..=MOST_SHARDS).contains(&self.shards) {
            return out_of_range("--shards", self.shards.to_string(), "1 to 10000");
        }
        if !(1..=10_485_760).contains(&self.record_bytes) {
            return out_of_range("--record-bytes", self.record_bytes.to_string(), "1 to 10485760");
        }
        if let Some(keys) = self.keys.filter(|keys| !(1..=1_000_000).contains(keys)) {
            return out_of_range("--keys", keys.to_string(), "1 to 1000000");
        }
        if let Some(skew) = self.zipf.filter(|skew| !(0.0..=10.0).contains(skew)) {
            return out_of_range("--zipf", skew.to_string(), "0 to 10");
        }
        if self.region.is_empty() || !self.region.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            return out_of_range(
                "--region",
                format!("'{}'", self.region),
                "a region's name, such as us-east-1",
            );
        }
        if self.account.len() != 12 || !self.account.bytes().all(|byte| byte.is_ascii_digit()) {
            return out_of_range("--account", format!("'{}'", self.account), "an account's ID, 12 digits");
        }
        if let Some(peak) = self.peak.filter(|peak| *peak < self.rate) {
            return out_of_range("--peak", peak.to_string(), "at least --rate");
        }
        self.check_stream()
    }

    /// What is said about a stream needs one.
    fn check_stream(&self) -> Result<(), OptionsError> {
        let given = [
            ("--rate", self.rate != ByteRate(0)),
            ("--peak", self.peak.is_some()),
            ("--trace", self.trace.is_some()),
            ("--keys", self.keys.is_some()),
            ("--zipf", self.zipf.is_some()),
            ("--hot-spot", self.hot_spot.is_some()),
            ("--consumers", !self.consumers.is_empty()),
            ("--replay", self.replay.is_some()),
            ("--enhanced-monitoring", !self.enhanced_monitoring.is_empty()),
        ];
        if self.trace.is_some() && self.rate != ByteRate(0) {
            return Err(OptionsError::Exclusive("--trace", "--rate"));
        }
        match given.into_iter().find(|(_, given)| *given && self.stream.is_none()) {
            Some((option, _)) => Err(OptionsError::NoStream(option)),
            None => Ok(()),
        }
    }

    /// A model whose time is `now`, with the stream as it has been since `--history` before.
    ///
    /// # Errors
    /// [`OptionsError`] says which option is wrong and what would be right.
    pub fn build(&self, now: Timestamp) -> Result<Cloud, OptionsError> {
        self.check()?;
        let mut config = Config {
            region: self.region.clone(),
            account_id: self.account.clone(),
            seed: self.seed,
            ..Config::default()
        };
        let reshard = SignedDuration::from_secs(self.reshard_seconds.into());
        config.timings.split = reshard;
        config.timings.merge = reshard;
        config.metrics.delay = self.metric_delay.duration();
        config.metrics.partial_after = Some(config.metrics.delay / 2);
        config.metrics.retention = config.metrics.retention.max(self.history.duration());
        let making = config.timings.create + config.timings.other_update;
        config.start = now.saturating_sub(self.history.duration() + making).unwrap_or(Timestamp::MIN);
        let timings = config.timings;
        let refused = |option| move |source| OptionsError::Refused { option, source };
        let mut cloud = Cloud::new(config);
        if let Some(name) = &self.stream {
            let shard_count = i32::try_from(self.shards).ok();
            let create = CreateStream { stream_name: name.clone(), shard_count, ..CreateStream::default() };
            cloud.create_stream(create).map_err(refused("--stream"))?;
            cloud.advance(timings.create);
            if !self.enhanced_monitoring.is_empty() {
                let (stream, shard_level_metrics) =
                    (StreamRef::name(name.clone()), self.enhanced_monitoring.clone());
                let enable = ChangeEnhancedMonitoring { stream, shard_level_metrics };
                cloud.enable_enhanced_monitoring(enable).map_err(refused("--enhanced-monitoring"))?;
            }
            cloud.advance(timings.other_update);
            if let Some(workload) = self.workload(now)? {
                cloud.set_workload(name, workload).map_err(refused("--stream"))?;
            }
        }
        cloud.advance_to(now);
        Ok(cloud)
    }

    /// The load on the stream, `None` if there is neither traffic nor a consumer.
    fn workload(&self, now: Timestamp) -> Result<Option<Workload>, OptionsError> {
        let mut workload = Workload::new(self.curve(now)?);
        workload.record_bytes = self.record_bytes;
        workload.keys = match (self.keys, self.zipf) {
            (None, None) => KeySkew::Even,
            (keys, skew) => KeySkew::zipf(keys.unwrap_or(ZIPF_KEYS), skew.unwrap_or(0.0)),
        };
        workload.hot_spot = self.hot_spot.clone().map(|option| option.0);
        workload.consumers = self.consumers.iter().map(|option| option.0.clone()).collect();
        if let Some(after) = self.replay {
            let polling = ConsumerKind::Polling { interval: SignedDuration::from_secs(1) };
            workload.consumers.push(Consumer {
                starts_at: Some(now.saturating_add(after.duration()).unwrap_or(Timestamp::MAX)),
                from_trim_horizon: true,
                ..Consumer::new("replay", polling)
            });
        }
        let idle = workload.curve == Curve::constant(0) && workload.consumers.is_empty();
        Ok((!idle).then_some(workload))
    }

    fn curve(&self, now: Timestamp) -> Result<Curve, OptionsError> {
        if let Some(path) = &self.trace {
            let text = std::fs::read_to_string(path)
                .map_err(|source| OptionsError::Trace { path: path.clone(), source })?;
            let scale = self.peak.map_or(Scale::AsIs, |peak| Scale::PeakBytesPerSecond(peak.0));
            return Curve::from_csv(&text, scale, now)
                .map_err(|source| OptionsError::TraceContent { path: path.clone(), source });
        }
        let ByteRate(rate) = self.rate;
        let peak = self.peak.map_or(rate.saturating_mul(3), |peak| peak.0);
        let at = now.saturating_add(self.after.duration()).unwrap_or(Timestamp::MAX);
        Ok(match self.shape {
            Shape::Constant => Curve::constant(rate),
            Shape::Diurnal => Curve::Diurnal { trough: rate, peak },
            Shape::Step => Curve::Step { before: rate, after: peak, at },
            Shape::Ramp => Curve::Ramp { from: rate, to: peak, at, over: self.over.duration() },
            Shape::Spike => Curve::Spike { base: rate, peak, at, lasting: self.over.duration() },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::api::{
        DescribeStreamSummary, Dimension, GetMetricData, Metric, MetricDataQuery, MetricStat, ScanBy,
    };
    use crate::stream::StreamStatus;

    fn now() -> Timestamp {
        Timestamp::from_second(1_800_000_000).expect("it is in range")
    }

    fn of_stream() -> SandboxOptions {
        SandboxOptions {
            stream: Some("orders".to_owned()),
            rate: ByteRate(500_000),
            ..SandboxOptions::default()
        }
    }

    /// Bytes of each minute between so many minutes ago.
    fn bytes_between(cloud: &mut Cloud, from: i64, to: i64) -> Vec<f64> {
        let (namespace, metric_name) = ("AWS/Kinesis".to_owned(), "IncomingBytes".to_owned());
        let metric =
            Metric { namespace, metric_name, dimensions: vec![Dimension::new("StreamName", "orders")] };
        let query = MetricDataQuery {
            id: "a".to_owned(),
            metric_stat: Some(MetricStat { metric, period: 60, stat: "Sum".to_owned() }),
            expression: None,
            label: None,
            return_data: None,
        };
        let reply = cloud.get_metric_data(GetMetricData {
            metric_data_queries: vec![query],
            start_time: now() - SignedDuration::from_mins(from),
            end_time: now() - SignedDuration::from_mins(to),
            next_token: None,
            scan_by: ScanBy::TimestampAscending,
            max_datapoints: None,
        });
        reply.expect("they are read").metric_data_results.remove(0).values
    }

    #[test]
    fn a_past_of_more_than_a_day_is_kept_whole() {
        let history = "30h".parse().expect("a duration");
        let mut cloud = SandboxOptions { history, ..of_stream() }.build(now()).expect("they are sound");
        assert_eq!(bytes_between(&mut cloud, 29 * 60, 29 * 60 - 5).len(), 5);
    }

    #[test]
    fn a_stream_has_a_past_when_the_sandbox_starts() {
        let options = SandboxOptions { enhanced_monitoring: vec!["ALL".to_owned()], ..of_stream() };
        let mut cloud = options.build(now()).expect("they are sound");
        assert_eq!(cloud.now(), now());
        let stream = StreamRef::name("orders");
        let summary = cloud.describe_stream_summary(DescribeStreamSummary { stream }).expect("it is there");
        let summary = summary.stream_description_summary;
        assert_eq!((summary.stream_status, summary.open_shard_count), (StreamStatus::Active, 4));
        assert_eq!(summary.enhanced_monitoring[0].shard_level_metrics.len(), 7);
        let values = bytes_between(&mut cloud, 12, 2);
        assert_eq!(values.len(), 10);
        assert!(
            values.iter().all(|bytes| (29e6..31e6).contains(bytes)),
            "500 kB/s are 30 MB a minute: {values:?}"
        );
    }

    #[test]
    fn what_is_wrong_is_named_with_what_would_be_right() {
        let base = of_stream;
        let remote = SocketAddr::from(([0, 0, 0, 0], 4_567));
        let text = |options: SandboxOptions| options.build(now()).expect_err("it is wrong").to_string();
        let cases = [
            (
                SandboxOptions { listen: remote, ..base() },
                "--listen 0.0.0.0:4567 is not an address of the loopback",
            ),
            (SandboxOptions { speed: 0, ..base() }, "--speed is 0, where 1 to 100000 is right"),
            (SandboxOptions { speed: 100_001, ..base() }, "--speed is 100001, where 1 to 100000 is right"),
            (
                SandboxOptions { account: "1234".to_owned(), ..base() },
                "--account is '1234', where an account's ID, 12 digits is right",
            ),
            (SandboxOptions { shards: 0, ..base() }, "--shards is 0, where 1 to 10000 is right"),
            (SandboxOptions { record_bytes: 0, ..base() }, "--record-bytes is 0, where"),
            (SandboxOptions { keys: Some(0), ..base() }, "--keys is 0, where 1 to 1000000 is right"),
            (SandboxOptions { zipf: Some(f64::NAN), ..base() }, "--zipf is NaN, where 0 to 10 is right"),
            (
                SandboxOptions { region: "eu west".to_owned(), ..base() },
                "--region is 'eu west', where a region's name",
            ),
            (
                SandboxOptions { peak: Some(ByteRate(1)), ..base() },
                "--peak is 1B, where at least --rate is right",
            ),
            (SandboxOptions { stream: None, ..base() }, "--rate needs a stream: give --stream NAME besides"),
            (
                SandboxOptions { trace: Some("a.csv".into()), ..base() },
                "--trace and --rate exclude each other",
            ),
            (
                SandboxOptions { rate: ByteRate(0), trace: Some("/none/a.csv".into()), ..base() },
                "cannot read the trace /none/a.csv: No such file",
            ),
            (
                SandboxOptions { stream: Some("a b".to_owned()), ..base() },
                "--stream: ValidationException: 1 validation",
            ),
            (
                SandboxOptions { enhanced_monitoring: vec!["Bytes".to_owned()], ..base() },
                "--enhanced-monitoring: ValidationException: 1 validation",
            ),
        ];
        for (options, expected) in cases {
            let told = text(options);
            assert!(told.starts_with(expected), "{told}\nis not\n{expected}");
        }
        let open = SandboxOptions { listen: remote, allow_remote_clients: true, ..base() };
        assert!(open.check().is_ok(), "whoever says so may listen anywhere");
    }

    #[test]
    fn each_shape_begins_and_ends_where_its_options_say() {
        let shape = |shape| SandboxOptions { shape, ..of_stream() }.curve(now()).expect("it needs no file");
        let at = now() + SignedDuration::from_mins(10);
        assert_eq!(shape(Shape::Constant), Curve::constant(500_000));
        assert_eq!(shape(Shape::Diurnal), Curve::Diurnal { trough: 500_000, peak: 1_500_000 });
        assert_eq!(shape(Shape::Step), Curve::Step { before: 500_000, after: 1_500_000, at });
        let over = SignedDuration::from_mins(10);
        assert_eq!(shape(Shape::Ramp), Curve::Ramp { from: 500_000, to: 1_500_000, at, over });
        assert_eq!(shape(Shape::Spike), Curve::Spike { base: 500_000, peak: 1_500_000, at, lasting: over });
    }

    #[test]
    fn a_replay_is_one_more_consumer_and_an_idle_stream_has_no_load() {
        let replay = SandboxOptions { replay: Some(super::super::Seconds(60)), ..of_stream() };
        let workload = replay.workload(now()).expect("it needs no file").expect("there is a load");
        assert_eq!(workload.consumers.len(), 1);
        assert!(workload.consumers[0].from_trim_horizon);
        assert_eq!(workload.consumers[0].starts_at, Some(now() + SignedDuration::from_mins(1)));
        let idle = SandboxOptions { rate: ByteRate(0), ..of_stream() };
        assert!(idle.workload(now()).expect("it needs no file").is_none());
    }
}
