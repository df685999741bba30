//! What a sandbox starts with: where it listens, how fast its clock runs, the stream in it and the
//! load on that stream. With the feature `cli` these are the flags of `reshard sandbox`.

use std::net::SocketAddr;
use std::path::PathBuf;

mod build;
mod parse;

pub use build::OptionsError;
pub use parse::{ByteRate, ConsumerOption, HotSpotOption, ParseError, Seconds};

/// The flags of `reshard sandbox`.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
pub struct SandboxOptions {
    /// Where to listen, an address of this machine's loopback and a port (0: any free one)
    #[cfg_attr(feature = "cli", arg(long, value_name = "ADDR", default_value_t = defaults().listen))]
    pub listen: SocketAddr,
    /// Let other machines connect: --listen may be any address. Nothing checks who they are
    #[cfg_attr(feature = "cli", arg(long))]
    pub allow_remote_clients: bool,
    /// How many times as fast as the real time the sandbox's time runs, 1 to 100000
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = defaults().speed))]
    pub speed: u32,
    /// The region that ARNs name
    #[cfg_attr(feature = "cli", arg(long, value_name = "REGION", default_value_t = defaults().region))]
    pub region: String,
    /// The account that ARNs name, 12 digits
    #[cfg_attr(feature = "cli", arg(long, value_name = "ID", default_value_t = defaults().account))]
    pub account: String,
    /// Make a stream of this name; without it the account is empty
    #[cfg_attr(feature = "cli", arg(long, value_name = "NAME"))]
    pub stream: Option<String>,
    /// Its shards at the start
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = defaults().shards))]
    pub shards: u32,
    /// Bytes a second written to it, such as 800KB or 3MB (B, KB, MB, GB, KiB, MiB, GiB)
    #[cfg_attr(feature = "cli", arg(long, value_name = "RATE", default_value_t = defaults().rate))]
    pub rate: ByteRate,
    /// How the rate changes over time, between --rate and --peak
    #[cfg_attr(feature = "cli", arg(long, value_enum, default_value_t = defaults().shape, conflicts_with = "trace"))]
    pub shape: Shape,
    /// The highest rate of a shape [default: three times --rate], or of a --trace [default: as it is]
    #[cfg_attr(feature = "cli", arg(long, value_name = "RATE"))]
    pub peak: Option<ByteRate>,
    /// When a step, ramp or spike begins, after the start
    #[cfg_attr(feature = "cli", arg(long, value_name = "DURATION", default_value_t = defaults().after))]
    pub after: Seconds,
    /// How long a ramp or spike takes
    #[cfg_attr(feature = "cli", arg(long, value_name = "DURATION", default_value_t = defaults().over))]
    pub over: Seconds,
    /// A rate over time from a CSV of `epoch_seconds,bytes_per_second` lines, repeated for ever
    #[cfg_attr(feature = "cli", arg(long, value_name = "CSV"))]
    pub trace: Option<PathBuf>,
    /// Bytes of a record, partition key included
    #[cfg_attr(feature = "cli", arg(long, value_name = "BYTES", default_value_t = defaults().record_bytes))]
    pub record_bytes: u32,
    /// Spread the load over so many partition keys [default: evenly, 10000 with --zipf]
    #[cfg_attr(feature = "cli", arg(long, value_name = "N"))]
    pub keys: Option<u32>,
    /// The k-th most frequent key has a weight of k to the power of -S; 0: all the same
    #[cfg_attr(feature = "cli", arg(long, value_name = "S"))]
    pub zipf: Option<f64>,
    /// A part of the load goes to one place: its share, the width of the place as a share of the hash
    /// keys (0: a single key), and after how long it moves, such as 0.5 or 0.5:0.01 or 0.5:0.01:10m
    #[cfg_attr(feature = "cli", arg(long, value_name = "SHARE[:WIDTH[:MOVES]]"))]
    pub hot_spot: Option<HotSpotOption>,
    /// Who reads the stream, separated by commas: NAME=polling or NAME=polling:INTERVAL, NAME=firehose,
    /// NAME=lambda or NAME=efo, such as billing=polling:1s,archive=firehose
    #[cfg_attr(feature = "cli", arg(long, value_name = "LIST", value_delimiter = ','))]
    pub consumers: Vec<ConsumerOption>,
    /// A consumer that begins at the oldest record, so long after the start
    #[cfg_attr(feature = "cli", arg(long, value_name = "AFTER", num_args = 0..=1, default_missing_value = "0s"))]
    pub replay: Option<Seconds>,
    /// How long a split or merge keeps the stream UPDATING, in seconds of the sandbox's time
    #[cfg_attr(feature = "cli", arg(long, value_name = "SECONDS", default_value_t = defaults().reshard_seconds))]
    pub reshard_seconds: u32,
    /// How long after a minute its metrics are whole
    #[cfg_attr(feature = "cli", arg(long, value_name = "DURATION", default_value_t = defaults().metric_delay))]
    pub metric_delay: Seconds,
    /// Shard-level metrics that are on: names separated by commas, or ALL (the default without a value)
    #[cfg_attr(
        feature = "cli",
        arg(long, value_name = "METRICS", num_args = 0..=1, default_missing_value = "ALL", value_delimiter = ',')
    )]
    pub enhanced_monitoring: Vec<String>,
    /// How much of the load's past there is at the start, metrics included
    #[cfg_attr(feature = "cli", arg(long, value_name = "DURATION", default_value_t = defaults().history))]
    pub history: Seconds,
    /// What chance draws from: the same seed and requests give the same replies
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = defaults().seed))]
    pub seed: u64,
}

/// A built-in shape of the rate over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum Shape {
    /// `--rate`, always
    Constant,
    /// A sine of one day: `--rate` at 03:00 UTC, `--peak` at 15:00 UTC
    Diurnal,
    /// `--rate`, then `--peak`
    Step,
    /// In a straight line from `--rate` to `--peak`
    Ramp,
    /// `--rate` but for a while at `--peak`
    Spike,
}

impl Default for SandboxOptions {
    fn default() -> Self {
        SandboxOptions {
            listen: SocketAddr::from(([127, 0, 0, 1], 4_567)),
            allow_remote_clients: false,
            speed: 1,
            region: "us-east-1".to_owned(),
            account: "123456789012".to_owned(),
            stream: None,
            shards: 4,
            rate: ByteRate(0),
            shape: Shape::Constant,
            peak: None,
            after: Seconds(600),
            over: Seconds(600),
            trace: None,
            record_bytes: 1_000,
            keys: None,
            zipf: None,
            hot_spot: None,
            consumers: Vec::new(),
            replay: None,
            reshard_seconds: 30,
            metric_delay: Seconds(120),
            enhanced_monitoring: Vec::new(),
            history: Seconds(900),
            seed: 1,
        }
    }
}

#[cfg(feature = "cli")]
fn defaults() -> SandboxOptions {
    SandboxOptions::default()
}

#[cfg(all(test, feature = "cli"))]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        options: SandboxOptions,
    }

    fn parse(flags: &str) -> Result<SandboxOptions, clap::Error> {
        Cli::try_parse_from(["sandbox"].into_iter().chain(flags.split_whitespace())).map(|cli| cli.options)
    }

    #[test]
    fn no_flags_are_the_defaults() {
        assert_eq!(parse("").expect("none is required"), SandboxOptions::default());
    }

    #[test]
    fn every_flag_is_taken() {
        let options = parse(
            "--listen 127.0.0.1:0 --allow-remote-clients --speed 60 --region eu-west-1 --account 111122223333 --stream orders --shards 8 \
             --rate 3MB --shape spike --peak 9MB --after 5m --over 1h --record-bytes 500 --keys 100 --zipf 1.2 \
             --hot-spot 0.5:0.01:10m --consumers billing=polling:1s,archive=firehose --replay 10m \
             --reshard-seconds 45 --metric-delay 90s --enhanced-monitoring IncomingBytes,IncomingRecords \
             --history 1h --seed 7",
        )
        .expect("they are sound");
        assert_eq!((options.speed, options.shards, options.seed), (60, 8, 7));
        assert_eq!(options.account, "111122223333");
        assert_eq!((options.rate, options.peak), (ByteRate(3_000_000), Some(ByteRate(9_000_000))));
        assert_eq!(
            (options.after, options.over, options.history),
            (Seconds(300), Seconds(3_600), Seconds(3_600))
        );
        assert_eq!((options.replay, options.metric_delay), (Some(Seconds(600)), Seconds(90)));
        assert_eq!(options.consumers.len(), 2);
        assert_eq!(options.enhanced_monitoring, ["IncomingBytes", "IncomingRecords"]);
        assert!(options.hot_spot.is_some() && options.shape == Shape::Spike && options.check().is_ok());
    }

    #[test]
    fn flags_that_may_stand_alone_have_their_default_value() {
        let options = parse("--stream a --replay --enhanced-monitoring").expect("they are sound");
        assert_eq!(options.replay, Some(Seconds(0)));
        assert_eq!(options.enhanced_monitoring, ["ALL"]);
        let trace = parse("--trace a.csv --shape step").expect_err("one or the other");
        assert_eq!(trace.kind(), clap::error::ErrorKind::ArgumentConflict);
    }
}
