//! Signatures of the operations.
#![expect(missing_docs, reason = "AWS's operations")]
#![expect(clippy::unimplemented, reason = "signatures")]
use super::api::*;
use super::fault::{Fault, MetricFault};
use super::workload::{Totals, Workload};
use super::{ApiError, Cloud};
use jiff::{SignedDuration, Timestamp};

impl Cloud {
    pub fn create_stream(&mut self, request: CreateStream) -> Result<(), ApiError> {
        let _ = request;
        unimplemented!()
    }
    pub fn delete_stream(&mut self, request: DeleteStream) -> Result<(), ApiError> {
        let _ = request;
        unimplemented!()
    }
    pub fn describe_stream_summary(
        &mut self,
        request: DescribeStreamSummary,
    ) -> Result<DescribeStreamSummaryReply, ApiError> {
        let _ = request;
        unimplemented!()
    }
    pub fn describe_stream(&mut self, request: DescribeStream) -> Result<DescribeStreamReply, ApiError> {
        let _ = request;
        unimplemented!()
    }
    pub fn list_streams(&mut self, request: ListStreams) -> Result<ListStreamsReply, ApiError> {
        let _ = request;
        unimplemented!()
    }
    pub fn list_shards(&mut self, request: ListShards) -> Result<ListShardsReply, ApiError> {
        let _ = request;
        unimplemented!()
    }
    pub fn split_shard(&mut self, request: SplitShard) -> Result<(), ApiError> {
        let _ = request;
        unimplemented!()
    }
    pub fn merge_shards(&mut self, request: MergeShards) -> Result<(), ApiError> {
        let _ = request;
        unimplemented!()
    }
    pub fn update_shard_count(
        &mut self,
        request: UpdateShardCount,
    ) -> Result<UpdateShardCountReply, ApiError> {
        let _ = request;
        unimplemented!()
    }
    pub fn update_stream_mode(&mut self, request: UpdateStreamMode) -> Result<(), ApiError> {
        let _ = request;
        unimplemented!()
    }
    pub fn increase_stream_retention_period(
        &mut self,
        request: ChangeStreamRetentionPeriod,
    ) -> Result<(), ApiError> {
        let _ = request;
        unimplemented!()
    }
    pub fn decrease_stream_retention_period(
        &mut self,
        request: ChangeStreamRetentionPeriod,
    ) -> Result<(), ApiError> {
        let _ = request;
        unimplemented!()
    }
    pub fn enable_enhanced_monitoring(
        &mut self,
        request: ChangeEnhancedMonitoring,
    ) -> Result<ChangeEnhancedMonitoringReply, ApiError> {
        let _ = request;
        unimplemented!()
    }
    pub fn disable_enhanced_monitoring(
        &mut self,
        request: ChangeEnhancedMonitoring,
    ) -> Result<ChangeEnhancedMonitoringReply, ApiError> {
        let _ = request;
        unimplemented!()
    }
    pub fn describe_limits(&mut self) -> Result<DescribeLimitsReply, ApiError> {
        unimplemented!()
    }
    pub fn add_tags_to_stream(&mut self, request: AddTagsToStream) -> Result<(), ApiError> {
        let _ = request;
        unimplemented!()
    }
    pub fn remove_tags_from_stream(&mut self, request: RemoveTagsFromStream) -> Result<(), ApiError> {
        let _ = request;
        unimplemented!()
    }
    pub fn list_tags_for_stream(
        &mut self,
        request: ListTagsForStream,
    ) -> Result<ListTagsForStreamReply, ApiError> {
        let _ = request;
        unimplemented!()
    }
    pub fn register_stream_consumer(
        &mut self,
        request: RegisterStreamConsumer,
    ) -> Result<RegisterStreamConsumerReply, ApiError> {
        let _ = request;
        unimplemented!()
    }
    pub fn deregister_stream_consumer(&mut self, request: DeregisterStreamConsumer) -> Result<(), ApiError> {
        let _ = request;
        unimplemented!()
    }
    pub fn list_stream_consumers(
        &mut self,
        request: ListStreamConsumers,
    ) -> Result<ListStreamConsumersReply, ApiError> {
        let _ = request;
        unimplemented!()
    }
    pub fn put_record(&mut self, request: PutRecord) -> Result<PutRecordReply, ApiError> {
        let _ = request;
        unimplemented!()
    }
    pub fn put_records(&mut self, request: PutRecords) -> Result<PutRecordsReply, ApiError> {
        let _ = request;
        unimplemented!()
    }
    pub fn get_shard_iterator(
        &mut self,
        request: GetShardIterator,
    ) -> Result<GetShardIteratorReply, ApiError> {
        let _ = request;
        unimplemented!()
    }
    pub fn get_records(&mut self, request: GetRecords) -> Result<GetRecordsReply, ApiError> {
        let _ = request;
        unimplemented!()
    }
    pub fn get_metric_data(&mut self, request: GetMetricData) -> Result<GetMetricDataReply, ApiError> {
        let _ = request;
        unimplemented!()
    }
    pub fn list_metrics(&mut self, request: ListMetrics) -> Result<ListMetricsReply, ApiError> {
        let _ = request;
        unimplemented!()
    }
    pub fn put_metric_data(&mut self, request: PutMetricData) -> Result<(), ApiError> {
        let _ = request;
        unimplemented!()
    }

    /// Lets time pass until `to`; nothing happens if that is past.
    pub fn advance_to(&mut self, to: Timestamp) {
        let _ = to;
        unimplemented!()
    }
    /// Lets so much time pass.
    pub fn advance(&mut self, by: SignedDuration) {
        let _ = by;
        unimplemented!()
    }
    /// Lets so many seconds pass.
    pub fn advance_seconds(&mut self, seconds: i64) {
        let _ = seconds;
        unimplemented!()
    }
    /// Puts a load on the stream called `stream`, from now on, instead of the one it has.
    pub fn set_workload(&mut self, stream: &str, workload: Workload) -> Result<(), ApiError> {
        let _ = (stream, workload);
        unimplemented!()
    }
    /// Takes the load off.
    pub fn clear_workload(&mut self, stream: &str) -> Result<(), ApiError> {
        let _ = stream;
        unimplemented!()
    }
    /// What the load has come to.
    pub fn workload_totals(&self, stream: &str) -> Option<Totals> {
        let _ = stream;
        unimplemented!()
    }
    /// Adds a scripted fault.
    pub fn inject(&mut self, fault: Fault) {
        let _ = fault;
        unimplemented!()
    }
    /// Adds a scripted fault of metrics.
    pub fn inject_metric(&mut self, fault: MetricFault) {
        let _ = fault;
        unimplemented!()
    }
    /// Ends all scripted faults.
    pub fn clear_faults(&mut self) {
        unimplemented!()
    }
    /// How many calls of `operation` were made, refused ones included.
    pub fn calls(&self, operation: super::fault::Operation) -> u64 {
        let _ = operation;
        unimplemented!()
    }
}
