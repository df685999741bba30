//! What the shipped roles let the operator and the cron job do: all that they need, and nothing beyond.

use std::fs;
use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::events::v1::Event;
use kube::api::{Api, ListParams, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use reshard::operator::object::Autoscaler;
use serde_json::json;

use super::world::{RESOURCE, World};
use super::{shipped, with_processes};
use crate::support::cluster::{Account, Cluster};

/// A client that is who the kubeconfig says.
async fn client(kubeconfig: serde_json::Value) -> Client {
    let file: Kubeconfig = serde_json::from_value(kubeconfig).unwrap();
    let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.unwrap();
    Client::try_from(config).unwrap()
}

/// What the API server answers: the status code.
async fn asked(client: &Client, method: &str, path: &str, body: serde_json::Value) -> u16 {
    let request = http::Request::builder()
        .method(method)
        .uri(path)
        .header(
            "content-type",
            if method == "PATCH" { "application/merge-patch+json" } else { "application/json" },
        )
        .body(body.to_string().into_bytes())
        .unwrap();
    match client.request_text(request).await {
        Ok(_) => 200,
        Err(kube::Error::Api(status)) => status.code,
        Err(error) => panic!("{method} {path}: {error}"),
    }
}

with_processes! {
    async fn the_operator_may_do_what_it_needs_and_nothing_beyond(cluster: &dyn Cluster, shared) {
        let world = World::with(cluster, "--shards 2 --rate 2500KB --reshard-seconds 10").await;
        world.put("Approve").await;
        let mut replica = world.replica("one").await;
        world.until("a proposal", async || world.status().await.plan.is_some()).await;
        let hash = world.status().await.plan.unwrap().hash;
        world.annotate(json!({"reshard.dev/approve": hash, "reshard.dev/reconcile-at": "1"})).await;
        world.until_shards(4).await;
        world.until("it is told of", async || world.told("PlanDone").await == 1).await;
        assert_eq!(world.status().await.last_handled_reconcile_at.as_deref(), Some("1"));
        world.allow("").await;
        world.until("it is told of", async || world.told("AccessDenied").await == 1).await;

        // Nothing of all that was refused.
        let metrics = replica.get("/metrics").await.unwrap();
        let requests: Vec<&str> =
            metrics.lines().filter(|line| line.starts_with("reshard_kubernetes_requests_total{")).collect();
        for needed in ["verb=\"watch\",resource=\"namespaces\"", "verb=\"create\",resource=\"events\"", "verb=\"update\",resource=\"leases\"", "kinesisstreamautoscalers/status"] {
            assert!(requests.iter().any(|line| line.contains(needed)), "{needed}: {requests:#?}");
        }
        assert!(requests.iter().all(|line| !line.contains("code=\"403\"") && !line.contains("code=\"401\"")), "{requests:#?}");
        replica.signal("TERM");
        assert!(replica.ended(Duration::from_secs(10)).await.0.success());
        let warned = replica.said_at("WARN");
        assert!(warned.iter().all(|line| line.contains("AccessDenied")), "{warned:#?}");

        // And nothing beyond it is allowed.
        let (own, home) = (&world.namespace, &world.home);
        let client = client(cluster.admit(&world.operator).await).await;
        let resource = format!("/apis/reshard.dev/v1alpha1/namespaces/{own}/kinesisstreamautoscalers/{RESOURCE}");
        let lease = |name: &str| format!("/apis/coordination.k8s.io/v1/namespaces/{home}/leases/{name}");
        assert_eq!(asked(&client, "GET", &resource, json!({})).await, 200);
        assert_eq!(asked(&client, "GET", &lease("reshard"), json!({})).await, 200);
        for (method, path) in [
            ("GET", "/api/v1/secrets".to_owned()),
            ("GET", format!("/api/v1/namespaces/{own}/secrets")),
            ("GET", format!("/api/v1/namespaces/{own}/pods")),
            ("GET", format!("/api/v1/namespaces/{own}/configmaps")),
            ("PATCH", resource.clone()),
            ("PUT", format!("{resource}/status")),
            ("DELETE", resource.clone()),
            ("PATCH", format!("/api/v1/namespaces/{own}")),
            ("DELETE", format!("/api/v1/namespaces/{own}")),
            ("GET", lease("other")),
            ("DELETE", lease("reshard")),
            ("GET", format!("/apis/events.k8s.io/v1/namespaces/{own}/events")),
            ("PATCH", format!("/apis/events.k8s.io/v1/namespaces/{own}/events/any")),
        ] {
            assert_eq!(asked(&client, method, &path, json!({"metadata": {"labels": {"a": "b"}}})).await, 403, "{method} {path}");
        }
    }

    async fn the_cron_job_may_do_what_it_needs_and_stands_back_for_an_operator(cluster: &dyn Cluster, shared) {
        let world = World::with(cluster, "--shards 2 --rate 2500KB --reshard-seconds 10").await;
        world.put("Apply").await;
        let objects = shipped("cronjob/rbac.yaml");
        let account = Account::of(objects, "reshard-cronjob", &[("payments", &world.namespace)]);
        let kubeconfig = world.write("kubeconfig-cronjob", &cluster.admit(&account).await.to_string());
        let apply = async || {
            let arguments = ["apply", RESOURCE, "--namespace", &world.namespace, "--log-format=json", "--lease-namespace", &world.home];
            let mut command = world.command(&world.aws(), &kubeconfig, &arguments);
            let ran = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
            (ran.status.code(), String::from_utf8(ran.stderr).unwrap(), String::from_utf8(ran.stdout).unwrap())
        };
        let mut operator = world.replica("one").await;
        world.allow("").await;
        world.until_leads(&operator).await;
        let (code, told, _) = apply().await;
        assert_eq!(code, Some(1), "{told}");
        assert!(told.contains(&format!("holds the Lease {}/reshard", world.home)), "{told}");
        assert_eq!(world.splits(), 0);
        operator.signal("TERM");
        operator.ended(Duration::from_secs(10)).await;

        let (code, told, said) = apply().await;
        assert_eq!(code, Some(0), "{told}");
        assert_eq!(world.splits(), 2, "{said}");
        let client = client(serde_json::from_str(&fs::read_to_string(&kubeconfig).unwrap()).unwrap()).await;
        let refused = |result: kube::Result<()>| matches!(result, Err(kube::Error::Api(status)) if status.code == 403);
        let resources: Api<Autoscaler> = Api::namespaced(client.clone(), &world.namespace);
        assert!(resources.get(RESOURCE).await.is_ok());
        assert!(refused(resources.list(&ListParams::default()).await.map(drop)));
        let patch = kube::api::Patch::Merge(json!({"spec": {"maxShards": 200}}));
        assert!(refused(resources.patch(RESOURCE, &PatchParams::default(), &patch).await.map(drop)));
        let namespaces: Api<Namespace> = Api::all(client.clone());
        assert!(refused(namespaces.list(&ListParams::default()).await.map(drop)));
        let events: Api<Event> = Api::namespaced(client, &world.namespace);
        assert!(refused(events.create(&PostParams::default(), &Event::default()).await.map(drop)));
    }
}
