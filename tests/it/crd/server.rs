//! The definition on a real API server, where `KUBECONFIG` names one: it is taken, and the server's
//! verdicts are those that are told without it.

use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::ObjectMeta;
use kube::runtime::wait::{await_condition, conditions::is_crd_established};
use kube::{Api, Client};
use reshard::operator::crd::definition;
use reshard::operator::object::Autoscaler;
use serde_json::{Value, json};

use super::verdict::Definition;
use super::{agreement::changed, schema};
use crate::bad_input::fields::{bad_values, good_values};

/// A namespace of a real server that has the definition.
struct Server {
    client: Client,
    namespace: String,
}

impl Server {
    /// `None` where no server is named.
    async fn named() -> Option<Server> {
        if std::env::var_os("KUBECONFIG").is_none() {
            println!("not run: KUBECONFIG names no API server");
            return None;
        }
        let client = Client::try_default().await.unwrap();
        let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
        let crd = definition().unwrap();
        let name = crd.metadata.name.clone().unwrap();
        let apply = PatchParams::apply("reshard-test").force();
        definitions.patch(&name, &apply, &Patch::Apply(&crd)).await.unwrap();
        let established = await_condition(definitions, &name, is_crd_established());
        tokio::time::timeout(std::time::Duration::from_secs(60), established).await.unwrap().unwrap();
        let namespace = Namespace {
            metadata: ObjectMeta { generate_name: Some("reshard-crd-".to_owned()), ..ObjectMeta::default() },
            ..Namespace::default()
        };
        let namespaces: Api<Namespace> = Api::all(client.clone());
        let namespace = namespaces.create(&PostParams::default(), &namespace).await.unwrap();
        Some(Server { client, namespace: namespace.metadata.name.unwrap() })
    }

    fn resources(&self) -> Api<DynamicObject> {
        let kind = kube::core::ApiResource::erase::<Autoscaler>(&());
        Api::namespaced_with(self.client.clone(), &self.namespace, &kind)
    }

    /// Why the server refuses `object`, if it does.
    async fn refusal(&self, object: &Value) -> Option<String> {
        let mut object = object.clone();
        object["metadata"] = json!({"name": "orders"});
        let object: DynamicObject = serde_json::from_value(object).unwrap();
        let dry_run = PostParams { dry_run: true, ..PostParams::default() };
        match self.resources().create(&dry_run, &object).await {
            Ok(_) => None,
            Err(kube::Error::Api(status)) if matches!(status.code, 400 | 422) => Some(status.message),
            Err(other) => panic!("{other}"),
        }
    }

    /// What `kubectl get` shows: each column's name, whether only `-o wide` shows it, and the cell.
    async fn table(&self) -> Vec<(String, bool, Value)> {
        let path =
            format!("/apis/reshard.dev/v1alpha1/namespaces/{}/kinesisstreamautoscalers", self.namespace);
        let request = http::Request::get(path)
            .header("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io")
            .body(Vec::new())
            .unwrap();
        let table: Value = self.client.request(request).await.unwrap();
        let columns = table["columnDefinitions"].as_array().unwrap().iter();
        let cells = table["rows"][0]["cells"].as_array().unwrap();
        let column = |(column, cell): (&Value, &Value)| {
            (column["name"].as_str().unwrap().to_owned(), column["priority"] != 0, cell.clone())
        };
        columns.zip(cells).map(column).collect()
    }

    async fn end(self) {
        let namespaces: Api<Namespace> = Api::all(self.client);
        namespaces.delete(&self.namespace, &DeleteParams::default()).await.unwrap();
    }
}

#[tokio::test]
async fn a_real_server_judges_as_schema_and_rules_do_without_one() {
    let Some(server) = Server::named().await else { return };
    let definition = Definition::new(&schema());
    let mut disagreements = Vec::new();
    let values = bad_values().into_iter().chain(good_values());
    for (path, value) in values.filter(|(path, _)| path.starts_with("spec")) {
        let object = changed(path, value.clone());
        let (here, there) = (definition.faults(&object, None), server.refusal(&object).await);
        if here.is_empty() != there.is_none() {
            disagreements.push(format!("{path} = {value}: here {here:?}, there {there:?}"));
        }
    }
    assert_eq!(disagreements, Vec::<String>::new());
    server.end().await;
}

#[tokio::test]
async fn a_real_server_fills_in_defaults_keeps_the_stream_and_shows_the_columns() {
    let Some(server) = Server::named().await else { return };
    let resources = server.resources();
    let arn = "arn:aws:kinesis:eu-west-1:111122223333:stream/orders";
    let smallest = json!({
        "apiVersion": "reshard.dev/v1alpha1", "kind": "KinesisStreamAutoscaler",
        "metadata": {"name": "orders"}, "spec": {"streamRef": {"arn": arn}, "maxShards": 8},
    });
    let object: DynamicObject = serde_json::from_value(smallest.clone()).unwrap();
    let made = resources.create(&PostParams::default(), &object).await.unwrap();
    assert_eq!(made.data["spec"], Definition::new(&schema()).with_defaults(&smallest)["spec"]);

    let merge = |patch: Value| Patch::Merge(patch);
    let other = merge(json!({"spec": {"streamRef": {"arn": null, "name": "orders"}}}));
    let refused = resources.patch("orders", &PatchParams::default(), &other).await.unwrap_err();
    assert!(refused.to_string().contains("spec.streamRef: Invalid value"), "{refused}");
    assert!(refused.to_string().contains("cannot be changed"), "{refused}");

    let status = merge(json!({"status": {
        "shards": {"current": 4, "desired": 6, "hot": 2, "cold": 0},
        "plan": {"hash": "0123456789abcdef", "state": "AwaitingApproval", "summary": "4 → 6 shards: 2 splits",
                 "generation": 1, "steps": [{"type": "Split", "range": {"start": "0", "end": "9"}, "at": "5"}]},
        "conditions": [
            {"type": "Reconciling", "status": "True", "reason": "Resharding", "message": "",
             "lastTransitionTime": "2026-11-22T04:00:00Z"},
            {"type": "Ready", "status": "True", "reason": "AwaitingApproval", "message": "",
             "lastTransitionTime": "2026-11-22T04:00:00.123456789Z"},
        ],
    }}));
    let reported = resources.patch_status("orders", &PatchParams::default(), &status).await.unwrap();
    assert_eq!(reported.data["status"]["plan"]["steps"][0]["at"], "5");

    let table = server.table().await;
    let cell = |name: &str| table.iter().find(|(column, ..)| column == name).unwrap();
    assert_eq!(cell("Stream").2, json!(arn));
    assert_eq!((&cell("Min").2, &cell("Max").2), (&json!(1), &json!(8)));
    assert_eq!((&cell("Shards").2, &cell("Desired").2), (&json!(4), &json!(6)));
    assert_eq!((&cell("Mode").2, &cell("Ready").2), (&json!("DryRun"), &json!("True")));
    let wide: Vec<(&str, &Value)> =
        table.iter().filter(|(_, wide, _)| *wide).map(|(name, _, cell)| (&**name, cell)).collect();
    let expected = [("Plan", &json!("0123456789abcdef")), ("Reason", &json!("AwaitingApproval"))];
    assert_eq!(wide, expected);
    assert_eq!(table.last().unwrap().0, "Age");
    server.end().await;
}
