"""The AWS CLI and boto3, unchanged, against `reshard sandbox`; and reshard's main job beside them: what it
plans for a hot shard it carries out, and the AWS CLI shows the same shards and lineage.

Usage: aws_clients.py RESHARD FOLDER, with `aws` on the PATH and boto3 installed.
"""

import contextlib
import datetime
import json
import os
import re
import subprocess
import sys
import time

import boto3
from botocore.config import Config

# A shard iterator is good for five minutes of the sandbox's time, and the AWS CLI takes a second to start.
SPEED_FOR_CALLS = 20
SPEED_FOR_THE_STORY = 240
KEYS = 2**128
MANIFEST = """\
apiVersion: reshard.dev/v1alpha1
kind: KinesisStreamAutoscaler
metadata: {name: orders}
spec:
  streamRef: {name: orders, region: us-east-1}
  minShards: 3
  maxShards: 16
  interval: 10s
  metrics: {maxAge: 30m}
  targets: {ingestBytes: {utilization: 70}, ingestRecords: {utilization: 70}}
  behavior: {scaleDown: {stabilizationWindowSeconds: 3600, tolerance: 0.2}}
"""


def equal(found, expected, what):
    assert found == expected, f"{what}: {found!r}, not {expected!r}"


def until(what, seconds, look):
    """Looks until there is something to see; the sandbox's clock is fast, this machine may be slow."""
    end = time.monotonic() + seconds
    while not (seen := look()):
        assert time.monotonic() < end, f"{what}: not within {seconds} s"
        time.sleep(0.2)
    return seen


@contextlib.contextmanager
def sandbox(reshard, speed):
    """Four equal shards at 40 % of what they may take."""
    flags = f"--listen 127.0.0.1:0 --speed {speed} --stream orders --shards 4 --rate 1600KB --history 30m"
    flags += " --reshard-seconds 10 --metric-delay 60s --enhanced-monitoring=ALL"
    process = subprocess.Popen([reshard, "sandbox", *flags.split()], stdout=subprocess.PIPE, text=True)
    try:
        yield re.search(r"http://[0-9.:]+", process.stdout.readline()).group()
    finally:
        process.terminate()
        process.wait()


class Tools:
    """What a user has at hand: both programs and a session, pointed at one endpoint."""

    def __init__(self, reshard, url, folder):
        self.reshard_path = reshard
        self.manifest = os.path.join(folder, "orders.yaml")
        with open(self.manifest, "w") as file:
            file.write(MANIFEST)
        keys = {"AWS_ACCESS_KEY_ID": "sandbox", "AWS_SECRET_ACCESS_KEY": "sandbox"}
        nobody = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
        os.environ.update(keys, **nobody, AWS_ENDPOINT_URL=url, AWS_DEFAULT_REGION="us-east-1", AWS_PAGER="")
        once = Config(retries={"total_max_attempts": 1})
        self.kinesis = boto3.client("kinesis", config=once)
        self.cloudwatch = boto3.client("cloudwatch", config=once)

    def aws(self, *arguments):
        """What the AWS CLI prints."""
        return json.loads(self.aws_text(*arguments) or "null")

    def aws_text(self, *arguments):
        ran = subprocess.run(["aws", *arguments, "--output", "json"], capture_output=True, text=True)
        assert ran.returncode == 0, f"aws {' '.join(arguments)}: {ran.stderr}"
        return ran.stdout

    def aws_refused(self, code, *arguments):
        ran = subprocess.run(["aws", *arguments], capture_output=True, text=True)
        assert ran.returncode != 0 and f"({code})" in ran.stderr, f"aws {' '.join(arguments)}: {ran.stderr}"

    def reshard(self, *arguments, expect):
        ran = subprocess.run([self.reshard_path, *arguments], capture_output=True, text=True)
        told = f"reshard {' '.join(arguments)}: exit code {ran.returncode}\n{ran.stdout}{ran.stderr}"
        assert ran.returncode in expect, told
        return ran.returncode, ran.stdout

    def plan(self):
        _, report = self.reshard("plan", "-f", self.manifest, "-o", "json", expect=[0])
        return json.loads(report)

    def active(self, stream):
        look = lambda: self.kinesis.describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]
        until(f"{stream} becomes ACTIVE", 60, lambda: look()["StreamStatus"] == "ACTIVE")
        return look()


def is_open(shard):
    return "EndingSequenceNumber" not in shard["SequenceNumberRange"]


def keys_of(shard):
    return int(shard["HashKeyRange"]["StartingHashKey"]), int(shard["HashKeyRange"]["EndingHashKey"])


def open_shards(shards):
    """The open ones in the order of their keys, which they cover without gaps."""
    shards = sorted(filter(is_open, shards), key=keys_of)
    ranges = [keys_of(shard) for shard in shards]
    equal(ranges[0][0], 0, "the first key")
    equal(ranges[-1][1], KEYS - 1, "the last key")
    for (_, end), (start, _) in zip(ranges, ranges[1:]):
        equal(start, end + 1, "the key after a shard")
    return shards


def list_and_describe(tools):
    listed = tools.aws("kinesis", "list-shards", "--stream-name", "orders")["Shards"]
    described = tools.aws("kinesis", "describe-stream", "--stream-name", "orders")["StreamDescription"]
    equal(described["Shards"], listed, "describe-stream beside list-shards")
    equal(described["StreamStatus"], "ACTIVE", "the status")
    summary = tools.aws("kinesis", "describe-stream-summary", "--stream-arn", described["StreamARN"])
    equal(summary["StreamDescriptionSummary"]["OpenShardCount"], 4, "the open shards")
    equal([shard["ShardId"] for shard in open_shards(listed)], tools.plan()["shards"], "reshard beside the AWS CLI")
    equal(tools.aws("kinesis", "list-streams")["StreamNames"], ["orders"], "the streams")
    limits = tools.aws("kinesis", "describe-limits")
    equal(limits["OpenShardCount"], 4, "the shards of the account")
    assert limits["ShardLimit"] >= 4, limits
    # AWS refuses a stream's name beside a token.
    first = tools.kinesis.list_shards(StreamName="orders", MaxResults=3)
    second = tools.kinesis.list_shards(NextToken=first["NextToken"])
    equal([len(page["Shards"]) for page in (first, second)], [3, 1], "the shards on boto3's pages")
    ids = [shard["ShardId"] for shard in first["Shards"] + second["Shards"]]
    equal(ids, [shard["ShardId"] for shard in listed], "boto3 beside the AWS CLI")
    tools.aws_refused("ResourceNotFoundException", "kinesis", "list-shards", "--stream-name", "nobody")


def records(tools):
    """A stream of its own, without load: what is put is what is got."""
    tools.aws_text("kinesis", "create-stream", "--stream-name", "parcels", "--shard-count", "1")
    tools.active("parcels")
    put = tools.aws("kinesis", "put-record", "--stream-name", "parcels", "--partition-key", "a", "--data", "one")
    entries = [{"Data": b"two", "PartitionKey": "b"}, {"Data": b"three", "PartitionKey": "c"}]
    many = tools.kinesis.put_records(StreamName="parcels", Records=entries)
    equal(many["FailedRecordCount"], 0, "failed records")
    position = ["--shard-id", put["ShardId"], "--shard-iterator-type", "TRIM_HORIZON"]
    iterator = tools.aws("kinesis", "get-shard-iterator", "--stream-name", "parcels", *position)["ShardIterator"]
    got = tools.aws("kinesis", "get-records", "--shard-iterator", iterator)["Records"]
    equal([record["PartitionKey"] for record in got], ["a", "b", "c"], "the partition keys")
    equal(got[0]["SequenceNumber"], put["SequenceNumber"], "the first sequence number")
    got = tools.kinesis.get_records(ShardIterator=iterator)["Records"]
    equal([record["Data"] for record in got], [b"one", b"two", b"three"], "the data")


def settings(tools):
    tools.aws_text("kinesis", "add-tags-to-stream", "--stream-name", "parcels", "--tags", "team=logistics,stage=test")
    tools.kinesis.remove_tags_from_stream(StreamName="parcels", TagKeys=["stage"])
    tags = tools.aws("kinesis", "list-tags-for-stream", "--stream-name", "parcels")["Tags"]
    equal(tags, [{"Key": "team", "Value": "logistics"}], "the tags")

    metrics = ["IncomingBytes", "IncomingRecords"]
    shard_level = ["--stream-name", "parcels", "--shard-level-metrics", *metrics]
    now = tools.aws("kinesis", "enable-enhanced-monitoring", *shard_level)
    equal(sorted(now["DesiredShardLevelMetrics"]), metrics, "the metrics that are turned on")
    tools.active("parcels")
    tools.kinesis.disable_enhanced_monitoring(StreamName="parcels", ShardLevelMetrics=["IncomingRecords"])
    on = tools.active("parcels")["EnhancedMonitoring"][0]["ShardLevelMetrics"]
    equal(on, ["IncomingBytes"], "the metrics that are on")

    target = ["--target-shard-count", "2", "--scaling-type", "UNIFORM_SCALING"]
    count = tools.aws("kinesis", "update-shard-count", "--stream-name", "parcels", *target)
    equal((count["CurrentShardCount"], count["TargetShardCount"]), (1, 2), "the shard counts")
    equal(tools.active("parcels")["OpenShardCount"], 2, "the shards after update-shard-count")
    try:
        tools.kinesis.update_shard_count(StreamName="parcels", TargetShardCount=5, ScalingType="UNIFORM_SCALING")
        raise AssertionError("more than twice the shards at once")
    except tools.kinesis.exceptions.InvalidArgumentException as error:
        assert "double" in str(error), error
    tools.kinesis.delete_stream(StreamName="parcels")


def metrics(tools):
    """Over the AWS CLI (Query or JSON, as its version has it) and boto3, each with its own protocol."""
    now = tools.kinesis.describe_limits()["ResponseMetadata"]["HTTPHeaders"]["date"]
    now = datetime.datetime.strptime(now, "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=datetime.timezone.utc)
    start, end = now - datetime.timedelta(minutes=20), now - datetime.timedelta(minutes=5)

    def query(name, dimensions, namespace="AWS/Kinesis"):
        dimensions = [{"Name": name, "Value": value} for name, value in dimensions.items()]
        metric = {"Namespace": namespace, "MetricName": name, "Dimensions": dimensions}
        return {"MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"}}

    shards = [shard["ShardId"] for shard in tools.kinesis.list_shards(StreamName="orders")["Shards"]]
    stream = {"StreamName": "orders"}
    queries = [{"Id": "stream", **query("IncomingBytes", stream)}]
    queries += [{"Id": f"s{n}", **query("IncomingBytes", {**stream, "ShardId": id})} for n, id in enumerate(shards)]
    times = [moment.strftime("%Y-%m-%dT%H:%M:00Z") for moment in (start, end)]
    flags = ["--metric-data-queries", json.dumps(queries), "--start-time", times[0], "--end-time", times[1]]
    told = tools.aws("cloudwatch", "get-metric-data", *flags)["MetricDataResults"]
    told = {result["Id"]: result["Values"] for result in told}
    equal([len(values) for values in told.values()], [15] * 5, "the minutes of each metric")
    assert all(95e6 < value < 97e6 for value in told["stream"]), told["stream"]
    sums = [sum(minute) for minute in zip(*(told[f"s{n}"] for n in range(4)))]
    equal(sums, told["stream"], "the shards' sum beside the stream's")
    same = tools.cloudwatch.get_metric_data(MetricDataQueries=queries, StartTime=times[0], EndTime=times[1])
    equal({result["Id"]: result["Values"] for result in same["MetricDataResults"]}, told, "boto3 beside the AWS CLI")

    listed = tools.aws("cloudwatch", "list-metrics", "--namespace", "AWS/Kinesis", "--metric-name", "IncomingBytes")
    of = [{dimension["Name"]: dimension["Value"] for dimension in metric["Dimensions"]} for metric in listed["Metrics"]]
    assert all({**stream, "ShardId": id} in of for id in shards) and stream in of, of

    put = ["--namespace", "billing", "--metric-name", "MillisBehindLatest", "--value", "42"]
    tools.aws_text("cloudwatch", "put-metric-data", *put, "--timestamp", times[0])
    tools.cloudwatch.put_metric_data(
        Namespace="billing",
        MetricData=[{"MetricName": "MillisBehindLatest", "Value": 8, "Timestamp": start.replace(second=0)}],
    )
    lag = [{"Id": "lag", **query("MillisBehindLatest", {}, "billing")}]
    look = lambda: tools.cloudwatch.get_metric_data(MetricDataQueries=lag, StartTime=times[0], EndTime=times[1])
    until("both points show", 60, lambda: look()["MetricDataResults"][0]["Values"] == [50])


def up_from_a_hot_shard(tools):
    """The AWS CLI merges two shards into a hot one; reshard splits it, with as many steps as it said."""
    equal(tools.reshard("plan", "-f", tools.manifest, "--detailed-exitcode", expect=[0, 2])[0], 0, "a calm stream")
    stream = ["--stream-name", "orders"]
    pair = ["--shard-to-merge", "shardId-000000000001", "--adjacent-shard-to-merge", "shardId-000000000002"]
    tools.aws_text("kinesis", "merge-shards", *stream, *pair)
    equal(tools.active("orders")["OpenShardCount"], 3, "the shards after merge-shards")
    tools.aws_refused("InvalidArgumentException", "kinesis", "merge-shards", *stream, *pair)

    code = lambda: tools.reshard("plan", "-f", tools.manifest, "--detailed-exitcode", expect=[0, 2])[0]
    until("plan --detailed-exitcode says 2", 120, lambda: code() == 2)
    planned = len(tools.plan()["plan"]["steps"])
    assert planned > 0, "exit code 2 without steps"
    wait = ["--wait", "--clock-speed", str(SPEED_FOR_THE_STORY)]
    _, told = tools.reshard("apply", "-f", tools.manifest, *wait, expect=[0])
    equal(told.count(": done in "), planned, f"the steps that were carried out; it said:\n{told}")
    equal(code(), 0, "the exit code of plan, when all is done")
    until("the new shards are measured", 120, lambda: under_target(tools.plan()))
    equal(code(), 0, "the exit code of plan, when all is measured")
    return planned


def under_target(report):
    """Whether the load of every shard is measured, and that it is at or under its target."""
    targets = {dimension["dimension"]: dimension["target"] for dimension in report["utilization"]}
    for shard in report["plan"]["before"]:
        for dimension, load in shard["loads"].items():
            assert load <= targets[dimension], (dimension, shard)
    return all(shard["evidence"] == "Measured" for shard in report["plan"]["before"])


def the_same_shards_and_lineage(tools, planned):
    shards = tools.aws("kinesis", "list-shards", "--stream-name", "orders")["Shards"]
    by_id = {shard["ShardId"]: shard for shard in shards}
    equal([shard["ShardId"] for shard in open_shards(shards)], tools.plan()["shards"], "reshard beside the AWS CLI")
    equal(len(shards), 4 + 1 + 2 * planned, "all shards, closed ones included")
    merged = by_id["shardId-000000000004"]
    parents = [merged["ParentShardId"], merged["AdjacentParentShardId"]]
    equal(parents, ["shardId-000000000001", "shardId-000000000002"], "the parents of the merged shard")
    equal(keys_of(merged), (KEYS // 4, 3 * KEYS // 4 - 1), "the keys of the merged shard")
    children = sorted((s for s in shards if s.get("ParentShardId") == merged["ShardId"]), key=keys_of)
    (low, middle), (next_key, high) = map(keys_of, children)
    equal((low, middle + 1, high), (KEYS // 4, next_key, 3 * KEYS // 4 - 1), "the keys of its children")
    assert not is_open(merged) and all("AdjacentParentShardId" not in child for child in children), children

    # And by hand: the AWS CLI splits, and reshard shows it.
    top = open_shards(shards)[-1]
    middle = (keys_of(top)[0] + keys_of(top)[1] + 1) // 2
    split = ["--shard-to-split", top["ShardId"], "--new-starting-hash-key", str(middle)]
    tools.aws_text("kinesis", "split-shard", "--stream-name", "orders", *split)
    tools.active("orders")
    shards = tools.aws("kinesis", "list-shards", "--stream-name", "orders", "--shard-filter", "Type=AT_LATEST")["Shards"]
    assert all(map(is_open, shards)), shards
    equal([shard["ShardId"] for shard in open_shards(shards)], tools.plan()["shards"], "reshard beside the AWS CLI")
    equal(keys_of(open_shards(shards)[-1])[0], middle, "where the AWS CLI has split")


def checked(what, check, *arguments):
    began = time.monotonic()
    seen = check(*arguments)
    print(f"{what}: as it should be ({time.monotonic() - began:.1f} s)", flush=True)
    return seen


def main():
    reshard, folder = sys.argv[1:]
    aws = subprocess.run(["aws", "--version"], capture_output=True, text=True, check=True)
    print(aws.stdout.strip(), f"boto3/{boto3.__version__}", flush=True)
    with sandbox(reshard, SPEED_FOR_CALLS) as url:
        tools = Tools(reshard, url, folder)
        checked("listings and descriptions", list_and_describe, tools)
        checked("metrics", metrics, tools)
        checked("records", records, tools)
        checked("tags, shard-level metrics, shard counts", settings, tools)
    with sandbox(reshard, SPEED_FOR_THE_STORY) as url:
        tools = Tools(reshard, url, folder)
        planned = checked("a hot shard and its plan", up_from_a_hot_shard, tools)
        checked("the same shards and lineage", the_same_shards_and_lineage, tools, planned)


if __name__ == "__main__":
    main()
