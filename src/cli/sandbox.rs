//! `reshard sandbox`: Kinesis and CloudWatch on loopback.

use std::sync::Arc;

use jiff::Timestamp;

use super::outcome::Outcome;
use super::output::Output;
use super::signals::stop_on_signal;
use crate::sandbox::{Sandbox, SandboxOptions};

pub(super) async fn run(options: &SandboxOptions, output: &Arc<Output>) -> anyhow::Result<Outcome> {
    let stop = stop_on_signal(output, "stopping");
    let sandbox = Sandbox::open(options, Timestamp::now()).await?;
    output.result(&greeting(options, &sandbox.endpoint_url()))?;
    stop.given().await;
    sandbox.stop().await;
    Ok(Outcome::Done)
}

/// What to type elsewhere to use it. The exports can be pasted as they are.
fn greeting(options: &SandboxOptions, url: &str) -> String {
    let stream = options.stream.as_ref().map_or_else(
        || "no stream yet: aws kinesis create-stream makes one".to_owned(),
        |name| format!("stream {name}, {} shards at the start", options.shards),
    );
    let speed = match options.speed {
        1 => String::new(),
        speed => format!(", its clock {speed} times as fast: give --clock-speed {speed} to reshard"),
    };
    format!(
        "Kinesis and CloudWatch are at {url}{speed}\n{stream}\n\n  \
         export AWS_ENDPOINT_URL={url} AWS_REGION={region} AWS_DEFAULT_REGION={region}\n  \
         export AWS_ACCESS_KEY_ID=sandbox AWS_SECRET_ACCESS_KEY=sandbox\n\nCtrl-C ends it.\n",
        region = options.region
    )
}
