//! The cluster: the tests' API server behind HTTP, with a resource for each stream.

use http::Request;
use jiff::Timestamp;
use reshard::operator::crd;
use reshard::resource::{API_VERSION, KIND};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::Scale;
use super::account::name;
use super::support::http as loopback;
use super::support::kube::ApiServer;

/// The namespace of all resources.
const NAMESPACE: &str = "payments";

/// The cluster, and the file that says where it is.
pub struct Cluster {
    server: ApiServer,
    folder: TempDir,
}

impl Cluster {
    /// Installs the definition and makes the resources.
    pub fn start(scale: Scale) -> Cluster {
        let cluster =
            Cluster { server: ApiServer::start(Timestamp::now()), folder: TempDir::new().expect("a folder") };
        let mut definition = serde_json::to_value(crd::definition().expect("a schema")).expect("plain data");
        definition["apiVersion"] = "apiextensions.k8s.io/v1".into();
        definition["kind"] = "CustomResourceDefinition".into();
        cluster.make("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", &definition);
        let annotations = json!({"reshard.dev/streams": "*"});
        let metadata = json!({"name": NAMESPACE, "annotations": annotations});
        cluster.make(
            "/api/v1/namespaces",
            &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}),
        );
        let plural = format!("/apis/{API_VERSION}/namespaces/{NAMESPACE}/kinesisstreamautoscalers");
        for number in 0..scale.streams {
            let (name, most) = (name(number), (2 * scale.shards).min(200));
            let spec = json!({
                "streamRef": {"name": name, "region": "us-east-1"}, "mode": "Apply",
                "minShards": scale.shards, "maxShards": most,
            });
            let metadata = json!({"name": name, "namespace": NAMESPACE});
            let resource =
                json!({"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "spec": spec});
            cluster.make(&plural, &resource);
        }
        cluster.write_kubeconfig();
        cluster
    }

    fn make(&self, path: &str, object: &Value) {
        let request = Request::builder().uri(path).method("POST").body(()).expect("a sound request");
        let answer = self.server.answer("bench", &request.into_parts().0, object.to_string().as_bytes());
        let status = answer.expect("it runs").status();
        assert!(status.is_success(), "{path}: {status}");
    }

    fn write_kubeconfig(&self) {
        let server = loopback::serve(self.server.clone(), "operator");
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "bench",
            "clusters": [{"name": "bench", "cluster": {"server": server}}],
            "users": [{"name": "bench", "user": {}}],
            "contexts": [{"name": "bench", "context": {"cluster": "bench", "user": "bench", "namespace": "default"}}],
        });
        std::fs::write(self.kubeconfig(), config.to_string()).expect("the file can be written");
    }

    /// The file that says where it is.
    pub fn kubeconfig(&self) -> std::path::PathBuf {
        self.folder.path().join("kubeconfig")
    }
}
