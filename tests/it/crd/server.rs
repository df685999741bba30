//! The definition on API servers, in memory and real: it is taken, and their verdicts are the schema's.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use reshard::operator::crd::definition;
use reshard::operator::object::Autoscaler;
use serde_json::{Value, json};

use super::agreement::changed;
use super::{Judge, SHIPPED, shipped};
use crate::bad_input::fields::{bad_values, good_values};
use crate::support::cluster::{Cluster, Real, on_every_cluster};

/// Installs the shipped definition and gives a namespace for the test.
async fn installed(cluster: &dyn Cluster) -> String {
    let [shipped] = reshard::manifest::documents(&shipped(SHIPPED), SHIPPED).unwrap().try_into().unwrap();
    cluster.install(shipped).await;
    cluster.namespace().await
}

fn resources(client: Client, namespace: &str) -> Api<DynamicObject> {
    Api::namespaced_with(client, namespace, &ApiResource::erase::<Autoscaler>(&()))
}

/// Why the server refuses `object`, if it does.
async fn refusal(resources: &Api<DynamicObject>, object: &Value) -> Option<String> {
    let mut object = object.clone();
    object["metadata"] = json!({"name": "orders"});
    let object: DynamicObject = serde_json::from_value(object).unwrap();
    let dry_run = PostParams { dry_run: true, ..PostParams::default() };
    match resources.create(&dry_run, &object).await {
        Ok(_) => None,
        Err(kube::Error::Api(status)) if matches!(status.code, 400 | 422) => Some(status.message),
        Err(other) => panic!("{other}"),
    }
}

const ARN: &str = "arn:aws:kinesis:eu-west-1:111122223333:stream/orders";

/// A resource that says as little as it may.
async fn smallest(resources: &Api<DynamicObject>) -> (Value, DynamicObject) {
    let smallest = json!({
        "apiVersion": "reshard.dev/v1alpha1", "kind": "KinesisStreamAutoscaler",
        "metadata": {"name": "orders"}, "spec": {"streamRef": {"arn": ARN}, "maxShards": 8},
    });
    let object: DynamicObject = serde_json::from_value(smallest.clone()).unwrap();
    (smallest, resources.create(&PostParams::default(), &object).await.unwrap())
}

/// A status as the operator writes it.
fn status() -> Patch<Value> {
    let step = json!({"type": "Split", "range": {"start": "0", "end": "9"}, "at": "5"});
    let condition = |kind: &str, reason: &str, at: &str| json!({"type": kind, "status": "True", "reason": reason, "message": "", "lastTransitionTime": at});
    Patch::Merge(json!({"status": {
        "shards": {"current": 4, "desired": 6, "hot": 2, "cold": 0},
        "plan": {"hash": "0123456789abcdef", "state": "AwaitingApproval", "summary": "4 → 6 shards: 2 splits",
                 "generation": 1, "steps": [step]},
        "conditions": [
            condition("Reconciling", "Resharding", "2026-11-22T04:00:00Z"),
            condition("Ready", "AwaitingApproval", "2026-11-22T04:00:00.123456789Z"),
        ],
    }}))
}

on_every_cluster! {
    async fn a_server_judges_as_the_schema_does_by_itself(cluster: &dyn Cluster) {
        let resources = resources(cluster.client("people"), &installed(cluster).await);
        let judge = Judge::new();
        let mut disagreements = Vec::new();
        let values = bad_values().into_iter().chain(good_values());
        for (path, value) in values.filter(|(path, _)| path.starts_with("spec")) {
            let object = changed(path, value.clone());
            let (here, there) = (judge.faults(&object, None), refusal(&resources, &object).await);
            if here.is_empty() != there.is_none() {
                disagreements.push(format!("{path} = {value}: here {here:?}, there {there:?}"));
            }
        }
        assert_eq!(disagreements, Vec::<String>::new());
    }

    async fn a_server_fills_in_defaults_and_keeps_the_stream(cluster: &dyn Cluster) {
        let resources = resources(cluster.client("people"), &installed(cluster).await);
        let (written, made) = smallest(&resources).await;
        assert_eq!(made.data["spec"], Judge::new().kept(&written)["spec"]);
        let other = Patch::Merge(json!({"spec": {"streamRef": {"arn": null, "name": "orders"}}}));
        let refused = resources.patch("orders", &PatchParams::default(), &other).await.unwrap_err();
        assert!(refused.to_string().contains("spec.streamRef: Invalid value"), "{refused}");
        assert!(refused.to_string().contains("cannot be changed"), "{refused}");
        let reported = resources.patch_status("orders", &PatchParams::default(), &status()).await.unwrap();
        assert_eq!(reported.data["status"]["plan"]["steps"][0]["at"], "5");
        assert_eq!(reported.data["spec"], made.data["spec"]);
    }
}

/// What `kubectl get` shows of the first resource: each column's name, whether only `-o wide` shows it,
/// and the cell.
async fn table(client: &Client, namespace: &str) -> Vec<(String, bool, Value)> {
    let path = format!("/apis/reshard.dev/v1alpha1/namespaces/{namespace}/kinesisstreamautoscalers");
    let request = http::Request::get(path).header("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io");
    let table: Value = client.request(request.body(Vec::new()).unwrap()).await.unwrap();
    let cells = table["rows"][0]["cells"].as_array().unwrap();
    let column = |(column, cell): (&Value, &Value)| {
        (column["name"].as_str().unwrap().to_owned(), column["priority"] != 0, cell.clone())
    };
    table["columnDefinitions"].as_array().unwrap().iter().zip(cells).map(column).collect()
}

#[tokio::test]
async fn a_real_server_shows_the_columns() {
    let cluster = match Real::shared().await {
        Ok(cluster) => cluster,
        Err(unable) => return println!("{unable}"),
    };
    let cluster: &dyn Cluster = &cluster;
    let namespace = installed(cluster).await;
    let client = cluster.client("people");
    let resources = resources(client.clone(), &namespace);
    smallest(&resources).await;
    resources.patch_status("orders", &PatchParams::default(), &status()).await.unwrap();
    let table = table(&client, &namespace).await;
    let shown: Vec<(&str, bool, String)> =
        table.iter().map(|(name, wide, cell)| (&**name, *wide, cell.to_string())).collect();
    let expected = [
        ("Name", false, json!("orders")),
        ("Stream", false, json!(ARN)),
        ("Mode", false, json!("DryRun")),
        ("Min", false, json!(1)),
        ("Max", false, json!(8)),
        ("Shards", false, json!(4)),
        ("Desired", false, json!(6)),
        ("Ready", false, json!("True")),
        ("Plan", true, json!("0123456789abcdef")),
        ("Reason", true, json!("AwaitingApproval")),
    ]
    .map(|(name, wide, cell)| (name, wide, cell.to_string()));
    assert_eq!(shown[..10], expected);
    assert_eq!((shown.len(), shown[10].0), (11, "Age"));
    // `ksa`, and every column, come with the definition.
    let api: Api<CustomResourceDefinition> = Api::all(client);
    let accepted = api.get(definition().unwrap().metadata.name.as_deref().unwrap()).await.unwrap();
    assert_eq!(accepted.status.unwrap().accepted_names.unwrap().short_names.unwrap(), ["ksa"]);
}
