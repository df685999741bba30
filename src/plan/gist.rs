//! Holds and verdicts in a few words: for a headline, where their sentences would be too long.

use super::{Hold, Verdict};

impl Hold {
    /// It in a few words, for a headline.
    pub fn gist(&self) -> &'static str {
        match self {
            Hold::Suspended => "suspend is set",
            Hold::StreamNotActive { .. } => "the stream is not ACTIVE",
            Hold::OnDemandStream => "AWS keeps the shards of an on-demand stream",
            Hold::ListingDoesNotTile { .. } => "the listed shards do not cover the hash keys",
            Hold::ShardCountMismatch { .. } => "AWS tells two numbers of shards",
            Hold::ShardMetricsOff { .. } => "shard-level metrics are off",
            Hold::MetricsStale { .. } => "the metrics are too old",
            Hold::MetricsIncomplete { .. } => "the metrics are incomplete",
            Hold::MetricsMissing { .. } => "metrics of shards are missing",
            Hold::MetricsInconsistent { .. } => "the metrics contradict each other",
            Hold::SilentStream => "the stream reports no traffic",
            Hold::MetricsSettling { .. } => "young shards are not measured yet",
            Hold::LoadEstimated { .. } => "merges wait for longer measurements",
            Hold::Stabilizing { .. } => "merges wait for a longer low load",
            Hold::Rising { .. } => "merges wait while writes rise",
            Hold::LoadForeseen { .. } => "merges wait for more that is foreseen",
            Hold::RateLimited { scale_up: true, .. } => "splits wait for behavior.scaleUp",
            Hold::RateLimited { scale_up: false, .. } => "merges wait for behavior.scaleDown",
            Hold::StepBudget { .. } => "the plan's steps are used up",
            Hold::MergeBudget { .. } => "the day's merges are used up",
            Hold::UpdateShardCountBudget { .. } => "the day's UpdateShardCount calls are used up",
            Hold::UpdateShardCountRefused { .. } => "AWS refused UpdateShardCount",
            Hold::ConsumerLagging { .. } => "merges wait for a reader that lags",
            Hold::ConsumerSilent { .. } => "merges wait for a reader whose lag is not known",
            Hold::ParentsDraining { .. } => "readers may be busy with the parents of young shards",
            Hold::AtMaxShards { .. } => "more shards are needed than maxShards",
            Hold::BelowMinShards { .. } => "no shard can be split to reach minShards",
            Hold::Frozen { scale_up: true, .. } => "a schedule bars splits",
            Hold::Frozen { scale_up: false, .. } => "a schedule bars merges",
        }
    }
}

impl Verdict {
    /// It in a few words, for a headline.
    pub fn gist(&self) -> &'static str {
        match self {
            Verdict::HotKey { .. } => "a hot key",
            Verdict::Bursty { .. } => "bursts within the minute",
            Verdict::Unsplittable { .. } => "heat in a range too narrow to split",
            Verdict::ReadCallsSaturated { .. } => "pollers use up the read calls",
            Verdict::CatchingUp { .. } => "readers are catching up",
            Verdict::DataLossRisk { .. } => "records may expire unread",
            Verdict::LargeRecords { .. } => "records are large",
            Verdict::AtMaxShards { .. } => "more shards are needed than maxShards",
        }
    }
}
