//! The command line against resources of a cluster: the API server in memory, behind HTTP.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{Api, Patch, PatchParams};
use kube::core::DynamicObject;
use kube::discovery::ApiResource;
use reshard::operator::crd::definition;
use reshard::operator::object::{APPROVE, Autoscaler};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::{Files, NOBODY, Ran, Sandbox, reshard};
use crate::support::cluster::{Cluster, Memory};
use crate::support::http;

/// A cluster with the custom resource definition, and a kubeconfig for it.
struct Kubernetes {
    memory: Memory,
    files: Files,
    runtime: Runtime,
}

impl Kubernetes {
    fn start() -> Kubernetes {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let memory = Memory::start(0);
        let files = Files::new();
        let user = json!([{"name": "ann", "user": {}}]);
        let cluster =
            json!([{"name": "test", "cluster": {"server": http::serve(memory.server.clone(), "ann")}}]);
        let context = json!({"cluster": "test", "user": "ann", "namespace": "payments"});
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "clusters": cluster, "users": user,
            "contexts": [{"name": "test", "context": context}], "current-context": "test",
        });
        files.write("kubeconfig", &config.to_string());
        memory.server.create_namespace("payments");
        memory.server.create_namespace("billing");
        runtime.block_on(
            (&memory as &dyn Cluster).install(serde_json::to_value(definition().unwrap()).unwrap()),
        );
        Kubernetes { memory, files, runtime }
    }

    fn resource() -> ApiResource {
        ApiResource::erase::<Autoscaler>(&())
    }

    /// Makes a resource for the stream of its name.
    fn apply(&self, namespace: &str, name: &str, spec: &Value) {
        let mut spec = spec.clone();
        spec["streamRef"] = json!({"name": name, "region": "us-east-1"});
        let object = json!({
            "apiVersion": "reshard.dev/v1alpha1", "kind": "KinesisStreamAutoscaler",
            "metadata": {"name": name, "namespace": namespace}, "spec": spec,
        });
        let cluster: &dyn Cluster = &self.memory;
        self.runtime.block_on(cluster.apply(&Kubernetes::resource(), Some(namespace), object));
    }

    fn api(&self, namespace: &str) -> Api<DynamicObject> {
        // A client begins a task.
        let _entered = self.runtime.enter();
        let cluster: &dyn Cluster = &self.memory;
        Api::namespaced_with(cluster.client("operator"), namespace, &Kubernetes::resource())
    }

    /// Writes a status as the operator does.
    fn status(&self, name: &str, status: Value) {
        let patch = Patch::Merge(json!({"status": status}));
        self.runtime
            .block_on(self.api("payments").patch_status(name, &PatchParams::default(), &patch))
            .unwrap();
    }

    fn annotate(&self, name: &str, annotation: &str, value: Option<&str>) {
        let patch = Patch::Merge(json!({"metadata": {"annotations": {annotation: value}}}));
        self.runtime.block_on(self.api("payments").patch(name, &PatchParams::default(), &patch)).unwrap();
    }

    fn approval(&self, name: &str) -> Option<String> {
        let object = self.runtime.block_on(self.api("payments").get(name)).unwrap();
        object.metadata.annotations?.remove(APPROVE)
    }

    /// An operator takes the Lease.
    fn lead(&self) {
        self.memory.server.create_namespace("reshard");
        let lease = json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {"name": "reshard", "namespace": "reshard"},
            "spec": {"holderIdentity": "reshard-0", "leaseDurationSeconds": 15,
                "renewTime": MicroTime(self.memory.server.now())},
        });
        let memory: &dyn Cluster = &self.memory;
        self.runtime.block_on(memory.apply(&ApiResource::erase::<Lease>(&()), Some("reshard"), lease));
    }

    fn run(&self, endpoint: &str, arguments: &[&str]) -> Ran {
        let mut command = reshard(endpoint, arguments);
        command.env("KUBECONFIG", self.files.path("kubeconfig")).output().unwrap().into()
    }

    fn told(&self, arguments: &[&str]) -> String {
        let ran = self.run(NOBODY, arguments);
        assert_eq!(ran.code, Some(1), "{}{}", ran.stdout, ran.stderr);
        assert!(ran.stderr.starts_with("error: "), "{}", ran.stderr);
        ran.stderr
    }
}

const HASH: &str = "9f3c2a1b5d6e7f80";

/// A status whose plan waits for approval.
fn waiting() -> Value {
    json!({
        "observedGeneration": 1,
        "shards": {"current": 4, "desired": 5, "hot": 1, "cold": 0},
        "plan": {"hash": HASH, "state": "AwaitingApproval", "summary": "4 → 5 shards in 1 step (1 split)",
            "generation": 1, "expiresAt": "2099-01-01T00:00:00Z",
            "steps": [{"type": "Split", "range": {"start": "0", "end": "99"}, "at": "50"}]},
        "conditions": [{"type": "Ready", "status": "True", "reason": "AwaitingApproval",
            "message": "a plan waits for approval", "lastTransitionTime": "2026-01-01T00:00:00Z"}],
    })
}

#[test]
fn a_resource_is_planned_by_name_and_all_of_them_one_after_another() {
    let (cluster, sandbox) = (Kubernetes::start(), Sandbox::with_a_hot_shard());
    cluster.apply("payments", "orders", &json!({"maxShards": 16, "mode": "Apply"}));
    let named = cluster.run(&sandbox.url, &["plan", "orders"]);
    assert_eq!((named.code, named.stderr.as_str()), (Some(0), ""), "{}", named.stdout);
    assert!(named.stdout.contains("1. split shard"), "{}", named.stdout);
    assert!(
        named.stdout.ends_with("To carry it out: reshard apply orders -n payments\n"),
        "{}",
        named.stdout
    );

    cluster.apply("billing", "absent", &json!({"maxShards": 4}));
    let nowhere = json!({"maxShards": 4, "schedules": [
        {"name": "peak", "schedule": "0 6 * * *", "timeZone": "Mars/Olympus", "duration": "1h", "minShards": 2}]});
    cluster.apply("billing", "wrong", &nowhere);
    let all = cluster.run(&sandbox.url, &["plan", "-A"]);
    assert_eq!(all.code, Some(1));
    assert!(all.stderr.contains("billing/wrong: spec.schedules[0].timeZone"), "{}", all.stderr);
    assert!(all.stderr.contains("absent"), "{}", all.stderr);
    assert!(all.stdout.contains("1. split shard"), "the others go on: {}", all.stdout);
}

#[test]
fn a_resource_is_obeyed_where_a_file_would_be_consent() {
    let (cluster, sandbox) = (Kubernetes::start(), Sandbox::with_a_hot_shard());
    cluster.apply("payments", "orders", &json!({"maxShards": 16}));
    let ran = cluster.run(&sandbox.url, &["apply", "orders"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), ""));
    assert_eq!(ran.stderr, "payments/orders: spec.mode is DryRun: nothing is carried out\n");

    cluster.apply("payments", "orders", &json!({"maxShards": 16, "mode": "Apply"}));
    let ran = cluster.run(&sandbox.url, &["apply", "orders", "--clock-speed", Sandbox::SPEED]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stdout.contains("split shard"), "{}", ran.stdout);
}

#[test]
fn the_plan_that_stands_is_carried_out_once_the_annotation_approves_it() {
    let (cluster, sandbox) = (Kubernetes::start(), Sandbox::with_a_hot_shard());
    cluster.apply("payments", "orders", &json!({"maxShards": 16, "mode": "Approve"}));
    // As the operator has proposed it, before it went.
    let planned = cluster.run(&sandbox.url, &["plan", "orders", "-o", "json"]).stdout;
    let plan = serde_json::from_str::<Value>(&planned).unwrap()["plan"].clone();
    let (hash, steps) = (plan["hash"].as_str().unwrap(), plan["steps"].as_array().unwrap().len());
    cluster.status(
        "orders",
        json!({"plan": {
            "hash": hash, "steps": plan["steps"], "summary": "as proposed", "generation": 1,
            "state": "AwaitingApproval", "expiresAt": "2099-01-01T00:00:00Z",
        }}),
    );
    let apply = || {
        let ran = cluster.run(&sandbox.url, &["apply", "orders", "--clock-speed", Sandbox::SPEED]);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{}", ran.stdout);
        ran.stdout
    };
    let waits = apply();
    let asks = format!("as proposed: waits for approval; approve it with the annotation {APPROVE}={hash}");
    assert!(waits.contains(&asks) && !waits.contains("done in"), "{waits}");
    cluster.annotate("orders", APPROVE, Some("0123456789abcdef"));
    let other = apply();
    let asks = format!("names 0123456789abcdef, the plan is {hash}: nothing is done");
    assert!(other.contains(&asks) && !other.contains("done in"), "{other}");
    cluster.annotate("orders", APPROVE, Some(hash));
    let done = apply();
    assert_eq!(done.matches(": done in ").count(), steps, "{done}");
    let used_up = format!(
        "the plan {hash} (as proposed): all its steps are done; its approval is used up, which nobody notes \
         without an operator: remove the annotation {APPROVE}"
    );
    assert!(done.contains(&used_up), "{done}");
    // What is done is not done again.
    let again = apply();
    assert!(again.contains("all its steps are done") && !again.contains("done in"), "{again}");
}

#[test]
fn what_somebody_does_to_the_resource_ends_the_work_on_its_stream_and_so_does_an_operator() {
    let edit = |cluster: &Kubernetes| {
        cluster.apply("payments", "orders", &json!({"maxShards": 16, "mode": "Apply", "suspend": true}));
    };
    let lead = Kubernetes::lead;
    for (happens, told) in [
        (edit as fn(&Kubernetes), "the resource has changed"),
        (lead, "the operator reshard-0 has taken the Lease and goes on"),
    ] {
        let (cluster, sandbox) = (Kubernetes::start(), Sandbox::with_a_hot_shard());
        cluster.apply("payments", "orders", &json!({"maxShards": 16, "mode": "Apply"}));
        // By the clock on the wall it would wait for an hour.
        let mut command = reshard(&sandbox.url, &["apply", "orders", "--wait", "--timeout", "1h"]);
        command.env("KUBECONFIG", cluster.files.path("kubeconfig")).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        assert!(lines.by_ref().any(|line| line.contains(": done in ")), "it has begun");
        happens(&cluster);
        let last = lines.last().unwrap_or_default();
        assert_eq!(child.wait().unwrap().code(), Some(1), "{last}");
        assert!(last.ends_with(&format!("done; stopped: {told}")), "{last}");
    }
}

#[test]
fn nothing_is_done_while_an_operator_holds_the_lease() {
    let cluster = Kubernetes::start();
    cluster.apply("payments", "orders", &json!({"maxShards": 16, "mode": "Apply"}));
    cluster.lead();
    let told = cluster.told(&["apply", "orders"]);
    assert!(told.contains("the operator reshard-0 holds the Lease reshard/reshard"), "{told}");
    // Of another operator's lease there is nobody who would be in the way; AWS is not there, though.
    let told = cluster.told(&["apply", "orders", "--lease-name", "reshard-9f3c2a1b"]);
    assert!(told.contains("DescribeStreamSummary"), "{told}");
}

#[test]
fn exactly_the_plan_that_waits_is_approved() {
    let cluster = Kubernetes::start();
    cluster.apply("payments", "orders", &json!({"maxShards": 16, "mode": "Approve"}));
    assert!(cluster.told(&["approve", "orders"]).contains("payments/orders: no plan waits for approval"));
    cluster.status("orders", waiting());
    let told = cluster.told(&["approve", "orders"]);
    assert!(told.contains(&format!("nobody can be asked here: give --hash {HASH} or --yes")), "{told}");
    let told = cluster.told(&["approve", "orders", "--hash", "0123456789abcdef"]);
    assert!(told.contains(&format!("not the one that waits, which is {HASH}")), "{told}");
    assert_eq!(cluster.approval("orders"), None);

    let ran = cluster.run(NOBODY, &["approve", "orders", "-n", "payments", "--hash", HASH]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    assert!(ran.stdout.contains("1. split 0.0"), "{}", ran.stdout);
    assert!(ran.stdout.ends_with(&format!("payments/orders: approved the plan {HASH}\n")), "{}", ran.stdout);
    assert_eq!(cluster.approval("orders").as_deref(), Some(HASH));
    let again = cluster.run(NOBODY, &["approve", "orders", "--yes"]);
    assert_eq!((again.code, again.stdout.contains("is approved already")), (Some(0), true));
}

#[test]
fn an_approval_that_is_used_up_approves_nothing_until_it_is_taken_back_and_that_is_seen() {
    let cluster = Kubernetes::start();
    cluster.apply("payments", "orders", &json!({"maxShards": 16, "mode": "Approve"}));
    let mut status = waiting();
    status["lastHandledApproval"] = json!(HASH);
    cluster.status("orders", status);
    cluster.annotate("orders", APPROVE, Some(HASH));
    let taking_back = format!("kubectl annotate ksa orders -n payments {APPROVE}-");
    let told = cluster.told(&["approve", "orders", "--yes"]);
    assert!(told.contains("has ended") && told.contains(&taking_back), "{told}");
    let next = cluster.run(NOBODY, &["status", "orders", "-o", "json"]).stdout;
    assert!(next.contains(&taking_back), "{next}");

    cluster.annotate("orders", APPROVE, None);
    let told = cluster.told(&["approve", "orders", "--yes"]);
    assert!(told.contains("try again in a minute"), "{told}");
    assert_eq!(cluster.approval("orders"), None);
    cluster.status("orders", json!({"lastHandledApproval": null}));
    assert_eq!(cluster.run(NOBODY, &["approve", "orders", "--yes"]).code, Some(0));
}

#[test]
fn a_plan_for_a_resource_that_has_changed_is_not_approved() {
    let cluster = Kubernetes::start();
    cluster.apply("payments", "orders", &json!({"maxShards": 16, "mode": "Approve"}));
    cluster.status("orders", waiting());
    cluster.apply("payments", "orders", &json!({"maxShards": 8, "mode": "Approve"}));
    let told = cluster.told(&["approve", "orders", "--yes"]);
    assert!(told.contains("the resource has changed since the plan"), "{told}");
    assert_eq!(cluster.approval("orders"), None);
}

#[test]
fn a_status_says_what_to_do_next() {
    let cluster = Kubernetes::start();
    cluster.apply("payments", "orders", &json!({"maxShards": 16, "mode": "Approve"}));
    cluster.status("orders", waiting());
    let ran = cluster.run(NOBODY, &["status", "orders"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    for part in
        ["payments/orders: ready", "4 now, 5 desired", HASH, "NEXT\n  reshard approve orders -n payments\n"]
    {
        assert!(ran.stdout.contains(part), "{part} in {}", ran.stdout);
    }
    let json: Value =
        serde_json::from_str(&cluster.run(NOBODY, &["status", "orders", "-o", "json"]).stdout).unwrap();
    assert_eq!(
        (&json["mode"], &json["next"]),
        (&json!("Approve"), &json!("reshard approve orders -n payments"))
    );
    assert_eq!(json["status"]["plan"]["hash"], HASH);
    let yaml = cluster.run(NOBODY, &["status", "orders", "-o", "yaml"]).stdout;
    assert!(yaml.contains("next: reshard approve orders -n payments"), "{yaml}");
}

#[test]
fn what_is_wrong_with_the_cluster_is_told_in_a_sentence() {
    let cluster = Kubernetes::start();
    let told = cluster.told(&["status", "orders", "-n", "billing"]);
    assert!(told.contains("billing/orders: ") && told.contains("\"orders\" not found (http://"), "{told}");
    assert!(cluster.told(&["plan", "-A"]).contains("the cluster has no KinesisStreamAutoscaler"));
    let told = cluster.told(&["status", "orders", "--context", "prod"]);
    assert!(told.contains("has no context \"prod\", only test"), "{told}");

    let alone = |kubeconfig: &str| {
        let ran = reshard(NOBODY, &["status", "orders"])
            .env("HOME", "/nonexistent")
            .env("KUBECONFIG", kubeconfig)
            .output();
        let ran = Ran::from(ran.unwrap());
        assert_eq!(ran.code, Some(1));
        ran.stderr
    };
    assert!(alone("").contains("no Kubernetes cluster: there is no kubeconfig"), "{}", alone(""));
    assert!(alone("/nonexistent/config").contains("the kubeconfig cannot be used"));
    let text = std::fs::read_to_string(cluster.files.path("kubeconfig")).unwrap();
    let mut config: Value = serde_json::from_str(&text).unwrap();
    config["clusters"][0]["cluster"]["server"] = NOBODY.into();
    let told = alone(&cluster.files.write("nobody", &config.to_string()));
    assert!(told.contains("the API server cannot be reached") && told.contains(NOBODY), "{told}");
}

#[test]
fn a_role_is_not_assumed_without_the_name_of_the_cluster() {
    let cluster = Kubernetes::start();
    let role = "arn:aws:iam::111122223333:role/reshard/payments";
    cluster.apply("payments", "orders", &json!({"maxShards": 16, "aws": {"roleArn": role}}));
    let told = cluster.told(&["plan", "orders"]);
    assert!(told.contains("external ID CLUSTER/payments") && told.contains("--cluster-id"), "{told}");
}
