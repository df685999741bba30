//! What AWS charges, as configuration: `--prices FILE` sets any of it.

use serde::{Deserialize, Serialize};

use super::Money;

/// List prices of one region, in US dollars. A price file may name any of them; the others stay
/// at the defaults, which are those of us-east-1.
///
/// Sources of the defaults, read in November 2026: P is aws.amazon.com/kinesis/data-streams/pricing,
/// whose tables are drawn by script, so that figures come by way of L, what AWS's Price List gave for
/// us-east-1 and us-east-2 by the recorded estimates in Infracost's tests (`kinesis_stream_test.golden`), and
/// T, Trek10's comparison of September 2023, which says the same; F is the Kinesis Data Streams FAQ; M is
/// "Choose the right mode to stream in" of the developer guide; C are public calculators that agree on
/// CloudWatch's prices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Prices {
    /// The region that they are of. A label: nothing is looked up by it.
    pub region: String,
    /// When they were read, for people.
    pub as_of: String,
    /// A shard for an hour (P, L).
    pub shard_hour: Money,
    /// A million PUT payload units (P, L): each record counts one for every 25 KB begun.
    pub million_put_payload_units: Money,
    /// Keeping a shard's records beyond 24 hours and up to 7 days, for an hour (L, T).
    pub extended_retention_shard_hour: Money,
    /// An enhanced fan-out consumer on one shard for an hour (example in F, L).
    pub fan_out_consumer_shard_hour: Money,
    /// A gigabyte read by enhanced fan-out (L, T).
    pub fan_out_gigabyte: Money,
    /// A CloudWatch metric for a month: shard-level metrics are priced as custom ones (C; the
    /// first tier, up to 10,000 metrics of an account).
    pub metric_month: Money,
    /// A thousand metrics read by GetMetricData; none of them is free (C).
    pub thousand_metrics_read: Money,
    /// An on-demand stream for an hour (L, T).
    pub on_demand_stream_hour: Money,
    /// A gigabyte written to an on-demand stream (L, T).
    pub on_demand_gigabyte_in: Money,
    /// Bytes that each record written to an on-demand stream is rounded up to a multiple of: "rounded
    /// up to the nearest 1 KB (1,024 bytes)" (P). 1 for no rounding; reads are not rounded (T).
    pub on_demand_record_bytes: u64,
    /// A gigabyte read from an on-demand stream (L, T).
    pub on_demand_gigabyte_out: Money,
    /// A gigabyte written in On-demand Advantage, which has no price by the stream (M): M says "at least 60 %
    /// lower" than on-demand, and exactly that is taken (unconfirmed).
    pub on_demand_advantage_gigabyte_in: Money,
    /// The same rounding in On-demand Advantage: no source tells it apart from on-demand's, which is
    /// taken (unconfirmed).
    pub on_demand_advantage_record_bytes: u64,
    /// A gigabyte read in On-demand Advantage (as above; unconfirmed).
    pub on_demand_advantage_gigabyte_out: Money,
    /// Bytes a second that On-demand Advantage bills at the least, in and out each, over all
    /// streams of the account (F).
    pub on_demand_advantage_minimum_bytes_per_second: u64,
}

impl Default for Prices {
    fn default() -> Self {
        let dollars_millionths = Money::from_micro_dollars;
        Prices {
            region: "us-east-1".to_owned(),
            as_of: "November 2026, On-demand Advantage unconfirmed".to_owned(),
            shard_hour: dollars_millionths(15_000),
            million_put_payload_units: dollars_millionths(14_000),
            extended_retention_shard_hour: dollars_millionths(20_000),
            fan_out_consumer_shard_hour: dollars_millionths(15_000),
            fan_out_gigabyte: dollars_millionths(13_000),
            metric_month: dollars_millionths(300_000),
            thousand_metrics_read: dollars_millionths(10_000),
            on_demand_stream_hour: dollars_millionths(40_000),
            on_demand_gigabyte_in: dollars_millionths(80_000),
            on_demand_record_bytes: 1_024,
            on_demand_gigabyte_out: dollars_millionths(40_000),
            on_demand_advantage_gigabyte_in: dollars_millionths(32_000),
            on_demand_advantage_record_bytes: 1_024,
            on_demand_advantage_gigabyte_out: dollars_millionths(16_000),
            on_demand_advantage_minimum_bytes_per_second: 25_000_000,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_file_overrides_what_it_names_and_nothing_else() {
        let read: Prices = serde_json::from_str(r#"{"region": "ap-northeast-2", "shardHour": 0.0176}"#)
            .expect("a partial file");
        assert_eq!(read.shard_hour, Money::from_micro_dollars(17_600));
        assert_eq!(
            Prices { region: "us-east-1".to_owned(), shard_hour: Prices::default().shard_hour, ..read },
            Prices::default()
        );
    }

    #[test]
    fn a_misspelt_price_is_refused_by_name() {
        let error = serde_json::from_str::<Prices>(r#"{"shardhour": 0.015}"#).expect_err("misspelt");
        assert!(error.to_string().contains("unknown field `shardhour`"), "{error}");
    }

    #[test]
    fn written_prices_are_read_back_as_they_were() {
        let text = serde_json::to_string(&Prices::default()).expect("plain data");
        assert_eq!(serde_json::from_str::<Prices>(&text).expect("our own"), Prices::default());
    }
}
