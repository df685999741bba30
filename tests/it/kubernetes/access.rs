//! Rules of access in memory: what is not granted is refused, as a real server refuses it. The shipped
//! rules themselves are tried on a real server.

use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{Api, ListParams, PostParams};
use serde_json::json;

use super::widget::{code, installed, widget, widgets};
use crate::support::cluster::{Cluster, Memory};

#[tokio::test(start_paused = true)]
async fn who_has_rules_may_do_what_they_say_and_nothing_else() {
    let memory = Memory::start(0);
    let cluster: &dyn Cluster = &memory;
    let namespace = installed(cluster).await;
    let rules = json!([
        {"apiGroups": ["test.reshard.dev"], "resources": ["widgets"], "verbs": ["get", "list", "create"]},
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "resourceNames": ["leader"],
         "verbs": ["get"]},
    ]);
    memory.server.grant("operator", Some(&namespace), serde_json::from_value(rules).unwrap());
    let api = widgets(cluster.client("operator"), &namespace);
    api.create(&PostParams::default(), &widget("one", json!({"max": 4}))).await.unwrap();
    assert_eq!(code(api.delete("one", &Default::default()).await), 403);
    assert_eq!(code(api.get_status("one").await), 403);
    let elsewhere = widgets(cluster.client("operator"), "default");
    assert_eq!(code(elsewhere.list(&ListParams::default()).await), 403);
    let leases: Api<Lease> = Api::namespaced(cluster.client("operator"), &namespace);
    assert_eq!(code(leases.get("leader").await), 404);
    assert_eq!(code(leases.get("other").await), 403);
    assert!(widgets(cluster.client("somebody"), &namespace).get_status("one").await.is_ok());
}
