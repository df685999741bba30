//! The modelled account of a story, and the witness between it and an actor: every request passes
//! the witness, and time passes only here, minute by minute, with what the story has for it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use reshard::control_plane::{
    ControlPlane, GetMetricData, ListShards, MetricPage, Reply, RequestError, ShardLimits, ShardPage,
    StreamId,
};
use reshard::hash_key::HashKey;
use reshard::simulator::Cloud;
use reshard::simulator::api::{
    ChangeEnhancedMonitoring, CreateStream, DeleteStream, MergeShards, SplitShard, StreamModeDetails,
    StreamRef, UpdateShardCount, UpdateStreamMode,
};
use reshard::simulator::control_plane::SimulatedControlPlane;
use reshard::simulator::truth::{TrueShard, Truth};
use reshard::snapshot::{Minute, ShardMetric};
use reshard::stream::{ShardId, StreamMode, StreamStatus, StreamSummary};
use tokio::sync::Notify;

use super::book::{Book, Sent};
use super::story::{Happening, STREAM, Story};

/// What all actors of a story share.
pub struct World {
    pub plane: SimulatedControlPlane,
    pub story: Story,
    script: Mutex<VecDeque<(Timestamp, Happening)>>,
    book: Mutex<Book>,
    due: Mutex<Due>,
    /// Told when the actor's time has come to die.
    pub death: Notify,
}

/// What the script has for whoever drives the actors.
#[derive(Default)]
pub struct Due {
    /// Requests that are left until the actor dies.
    pub fuse: Option<u64>,
    /// How long two actors are to be at work.
    pub twins: Option<SignedDuration>,
    /// What the owner's `suspend` says.
    pub suspend: bool,
}

impl World {
    pub fn new(story: Story) -> Arc<World> {
        let cloud = Cloud::new(story.config.clone());
        let world = World {
            plane: SimulatedControlPlane::new(cloud),
            script: Mutex::new(story.script.clone().into()),
            book: Mutex::new(Book::default()),
            due: Mutex::default(),
            death: Notify::new(),
            story,
        };
        world.create(world.story.shards);
        for fault in &world.story.metric_faults {
            world.plane.cloud().inject_metric(fault.clone());
        }
        Arc::new(world)
    }

    pub fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap()
    }

    pub fn due(&self) -> MutexGuard<'_, Due> {
        self.due.lock().unwrap()
    }

    pub fn now(&self) -> Timestamp {
        self.plane.cloud().now()
    }

    pub fn truth(&self) -> Option<Truth> {
        self.plane.cloud().truth(STREAM)
    }

    /// The open shards in hash-key order.
    pub fn open(&self) -> Vec<TrueShard> {
        let shards = self.truth().map(|truth| truth.shards).unwrap_or_default();
        let mut open: Vec<_> = shards.into_iter().filter(|shard| shard.closed_at.is_none()).collect();
        open.sort_by_key(|shard| shard.range);
        open
    }

    pub fn advance(&self, by: SignedDuration) {
        self.advance_to(self.now() + by);
    }

    pub fn advance_to(&self, to: Timestamp) {
        while self.now() < to {
            let next_minute = Minute::of(self.now()).plus(1).start();
            self.plane.cloud().advance_to(next_minute.min(to));
            let now = self.now();
            if now == Minute::of(now).start() {
                self.happen(now);
                self.book().sample(now, self.truth());
            }
        }
    }

    fn happen(&self, now: Timestamp) {
        if now == self.story.begin {
            for fault in &self.story.faults {
                self.plane.cloud().inject(fault.clone());
            }
        }
        loop {
            let mut script = self.script.lock().unwrap();
            let Some((_, happening)) = script.pop_front_if(|(at, _)| *at <= now) else { break };
            drop(script);
            self.book().note(now, format!("{happening:.120?}"));
            self.act(happening);
        }
    }

    /// What a stranger or the owner does. AWS may refuse it: then it does not happen.
    fn act(&self, happening: Happening) {
        let mut due = self.due();
        match happening {
            Happening::Crash(requests) => due.fuse = Some(requests),
            Happening::Twins(lasting) => due.twins = Some(lasting),
            Happening::Suspend(suspend) => due.suspend = suspend,
            Happening::Load(workload) => drop(self.plane.cloud().set_workload(STREAM, *workload)),
            Happening::StrangerSplits(place, cut) => {
                let open = self.open();
                let Some(shard) = pick(&open, place) else { return };
                let at = shard.range.start().0 + (shard.range.span() as f64 * cut) as u128;
                let request = SplitShard {
                    stream: StreamRef::name(STREAM),
                    shard_to_split: shard.id.clone(),
                    new_starting_hash_key: at.to_string(),
                };
                drop(self.plane.cloud().split_shard(request));
            }
            Happening::StrangerMerges(place) => {
                let open = self.open();
                let pairs: Vec<_> = open.windows(2).collect();
                let Some([low, high]) = pick(&pairs, place) else { return };
                let request = MergeShards {
                    stream: StreamRef::name(STREAM),
                    shard_to_merge: low.id.clone(),
                    adjacent_shard_to_merge: high.id.clone(),
                };
                drop(self.plane.cloud().merge_shards(request));
            }
            Happening::StrangerRescales(factor) => {
                let count = (self.open().len() as f64 * factor).round().max(1.0) as i32;
                let request = UpdateShardCount {
                    stream: StreamRef::name(STREAM),
                    target_shard_count: count,
                    scaling_type: "UNIFORM_SCALING".to_owned(),
                };
                drop(self.plane.cloud().update_shard_count(request));
            }
            Happening::MonitoringOff => {
                drop(self.plane.cloud().disable_enhanced_monitoring(all_metrics()));
            }
            Happening::MonitoringOn => {
                drop(self.plane.cloud().enable_enhanced_monitoring(all_metrics()));
            }
            Happening::OnDemand => self.switch(StreamMode::OnDemand),
            Happening::Provisioned => self.switch(StreamMode::Provisioned),
            Happening::Delete => {
                let request =
                    DeleteStream { stream: StreamRef::name(STREAM), enforce_consumer_deletion: None };
                drop(self.plane.cloud().delete_stream(request));
            }
            Happening::Create(shards) => self.create(shards),
        }
    }

    fn create(&self, shards: i32) {
        let mut cloud = self.plane.cloud();
        let request = CreateStream {
            stream_name: STREAM.to_owned(),
            shard_count: Some(shards),
            ..CreateStream::default()
        };
        if cloud.create_stream(request).is_ok() {
            cloud.advance_seconds(11);
            drop(cloud.enable_enhanced_monitoring(all_metrics()));
        }
    }

    fn switch(&self, mode: StreamMode) {
        let arn = format!(
            "arn:aws:kinesis:{}:{}:stream/{STREAM}",
            self.story.config.region, self.story.config.account_id
        );
        let request = UpdateStreamMode {
            stream_arn: arn,
            stream_mode_details: StreamModeDetails { stream_mode: mode },
        };
        drop(self.plane.cloud().update_stream_mode(request));
    }

    /// Ends all faults and strangers, and puts the stream into order under its calm load.
    pub fn calm_down(&self) {
        self.plane.cloud().clear_faults();
        self.advance_to(Minute::of(self.now()).plus(1).start());
        self.script.lock().unwrap().clear();
        *self.due() = Due::default();
        for _ in 0..60 {
            match self.truth() {
                None => self.create(self.story.shards),
                Some(truth) if truth.status != StreamStatus::Active => {}
                Some(truth) if truth.mode != StreamMode::Provisioned => self.switch(StreamMode::Provisioned),
                Some(_) => {
                    let mut cloud = self.plane.cloud();
                    let on = cloud.enable_enhanced_monitoring(all_metrics()).unwrap();
                    if on.current_shard_level_metrics.len() == ShardMetric::ALL.len() {
                        cloud.set_workload(STREAM, self.story.calm.clone()).unwrap();
                        drop(cloud);
                        self.book().sample(self.now(), self.truth());
                        return;
                    }
                }
            }
            self.advance_to(Minute::of(self.now()).plus(1).start());
        }
        self.book().broken("the stream is not in order an hour after the last fault".to_owned());
    }
}

fn pick<T>(from: &[T], place: f64) -> Option<&T> {
    from.get((from.len() as f64 * place) as usize)
}

fn all_metrics() -> ChangeEnhancedMonitoring {
    ChangeEnhancedMonitoring { stream: StreamRef::name(STREAM), shard_level_metrics: vec!["ALL".to_owned()] }
}

/// An actor's way to the world.
pub struct Witness {
    pub world: Arc<World>,
    /// Which actor.
    pub actor: usize,
}

impl Witness {
    /// Before a request: the other actor may come first. After it, the actor may be dead.
    async fn pass<T>(&self, request: impl Future<Output = T>) -> T {
        tokio::task::yield_now().await;
        let reply = request.await;
        let open = self.world.open();
        self.world.book().see(&open, self.world.now());
        let dies = {
            let mut due = self.world.due();
            due.fuse = due.fuse.map(|left| left.saturating_sub(1));
            let dies = due.fuse == Some(0);
            if dies {
                due.fuse = None;
            }
            dies
        };
        if dies {
            self.world.death.notify_one();
            std::future::pending::<()>().await;
        }
        reply
    }

    /// Sends a split or a merge, judged before and noted after.
    async fn send(
        &self,
        shards: &[&ShardId],
        request: impl Future<Output = Result<Reply<()>, RequestError>>,
    ) -> Result<Reply<()>, RequestError> {
        self.pass(async {
            let before = self.world.truth();
            let now = self.world.now();
            let ids: Vec<&str> = shards.iter().map(|id| id.as_str()).collect();
            self.world.book().judge(self.actor, &self.world.story, now, before.as_ref(), &ids);
            let reply = request.await;
            let took = |truth: &Option<Truth>| {
                truth.as_ref().is_some_and(|truth| truth.status == StreamStatus::Active)
            };
            let effect = took(&before) && !took(&self.world.truth());
            let class = reply.as_ref().err().map(|error| error.class);
            let sent = Sent { at: now, merge: ids.len() == 2, class, effect };
            self.world.book().sent(self.actor, sent);
            reply
        })
        .await
    }
}

impl ControlPlane for Witness {
    async fn describe_stream_summary(&self, stream: &StreamId) -> Result<Reply<StreamSummary>, RequestError> {
        self.pass(self.world.plane.describe_stream_summary(stream)).await
    }

    async fn list_shards(&self, request: &ListShards) -> Result<Reply<ShardPage>, RequestError> {
        self.pass(self.world.plane.list_shards(request)).await
    }

    async fn get_metric_data(&self, request: &GetMetricData) -> Result<Reply<MetricPage>, RequestError> {
        self.pass(self.world.plane.get_metric_data(request)).await
    }

    async fn split_shard(
        &self,
        stream: &StreamId,
        shard: &ShardId,
        new_starting_hash_key: HashKey,
    ) -> Result<Reply<()>, RequestError> {
        self.send(&[shard], self.world.plane.split_shard(stream, shard, new_starting_hash_key)).await
    }

    async fn merge_shards(
        &self,
        stream: &StreamId,
        shard: &ShardId,
        adjacent_shard: &ShardId,
    ) -> Result<Reply<()>, RequestError> {
        self.send(&[shard, adjacent_shard], self.world.plane.merge_shards(stream, shard, adjacent_shard))
            .await
    }

    async fn update_shard_count(&self, stream: &StreamId, target: u32) -> Result<Reply<()>, RequestError> {
        self.pass(self.world.plane.update_shard_count(stream, target)).await
    }

    async fn enable_enhanced_monitoring(
        &self,
        stream: &StreamId,
        metrics: &[ShardMetric],
    ) -> Result<Reply<()>, RequestError> {
        self.pass(self.world.plane.enable_enhanced_monitoring(stream, metrics)).await
    }

    async fn describe_limits(&self) -> Result<Reply<ShardLimits>, RequestError> {
        self.pass(self.world.plane.describe_limits()).await
    }

    async fn sleep(&self, duration: Duration) {
        tokio::task::yield_now().await;
        self.world.advance(SignedDuration::try_from(duration).unwrap());
    }
}
