//! A service account and what it may do, as manifests say it.

use k8s_openapi::api::rbac::v1::PolicyRule;
use serde_json::{Value, json};

/// A service account with its roles and their bindings, in namespaces of the test's own.
#[derive(Debug, Clone)]
pub struct Account {
    pub namespace: String,
    pub name: String,
    pub objects: Vec<Value>,
}

impl Account {
    /// The account `name` of a manifest's `objects`, whose namespaces are called otherwise here. What
    /// belongs to the whole cluster gets a name that no other test has.
    pub fn of(objects: Vec<Value>, name: &str, namespaces: &[(&str, &str)]) -> Account {
        let mut account = Account { namespace: String::new(), name: name.to_owned(), objects };
        let home =
            |object: &Value| object["metadata"]["namespace"].as_str().unwrap_or(namespaces[0].0).to_owned();
        let own =
            account.objects.iter().find(|object| object["kind"] == "ServiceAccount").expect("an account");
        account.namespace = renamed(&home(own), namespaces);
        // As they are shipped, names stay.
        let suffix =
            if account.namespace == home(own) { String::new() } else { format!("-{}", account.namespace) };
        for object in &mut account.objects {
            let kind = object["kind"].as_str().expect("a kind").to_owned();
            if kind.starts_with("Cluster") {
                suffixed(&mut object["metadata"]["name"], &suffix);
            } else {
                object["metadata"]["namespace"] = renamed(&home(object), namespaces).into();
            }
            if object.pointer("/roleRef/kind").is_some_and(|kind| kind == "ClusterRole") {
                suffixed(&mut object["roleRef"]["name"], &suffix);
            }
            for subject in listed(object, "subjects") {
                subject["namespace"] =
                    renamed(subject["namespace"].as_str().expect("a namespace"), namespaces).into();
            }
            for rule in listed(object, "rules") {
                if rule["resources"] == json!(["namespaces"]) && rule.get("resourceNames").is_some() {
                    for name in rule["resourceNames"].as_array_mut().expect("names") {
                        *name = renamed(name.as_str().expect("a name"), namespaces).into();
                    }
                }
            }
        }
        account
    }

    /// By which name the API server knows it.
    pub fn user(&self) -> String {
        format!("system:serviceaccount:{}:{}", self.namespace, self.name)
    }

    /// What it may do, and in which namespace, if not in all.
    pub fn grants(&self) -> Vec<(Option<String>, Vec<PolicyRule>)> {
        let of_kind = |kind: &'static str| self.objects.iter().filter(move |object| object["kind"] == kind);
        let rules = |reference: &Value| {
            let kind = reference["kind"].as_str().expect("a kind");
            let role = self
                .objects
                .iter()
                .find(|object| object["kind"] == kind && object["metadata"]["name"] == reference["name"]);
            serde_json::from_value(role.expect("a role that is there")["rules"].clone()).expect("rules")
        };
        let everywhere = of_kind("ClusterRoleBinding").map(|binding| (None, rules(&binding["roleRef"])));
        let somewhere = of_kind("RoleBinding").map(|binding| {
            let namespace = binding["metadata"]["namespace"].as_str().map(str::to_owned);
            (namespace, rules(&binding["roleRef"]))
        });
        everywhere.chain(somewhere).collect()
    }
}

/// A kubeconfig for the cluster at `cluster`, as `user`.
pub fn kubeconfig(cluster: &Value, user: &Value, namespace: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "test",
        "clusters": [{"name": "test", "cluster": cluster}],
        "users": [{"name": "test", "user": user}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test", "namespace": namespace}}],
    })
}

fn renamed(namespace: &str, namespaces: &[(&str, &str)]) -> String {
    namespaces.iter().find(|(old, _)| *old == namespace).map_or(namespace, |(_, new)| new).to_owned()
}

/// The items of a list, if there is one.
fn listed<'a>(object: &'a mut Value, name: &str) -> impl Iterator<Item = &'a mut Value> {
    object.get_mut(name).and_then(Value::as_array_mut).into_iter().flatten()
}

fn suffixed(name: &mut Value, suffix: &str) {
    *name = format!("{}{suffix}", name.as_str().expect("a name")).into();
}
