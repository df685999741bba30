//! Who may do what, in the cluster and at AWS: exactly what is listed here.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::{Value, json};

use super::{files, of_kind, root};

/// The words of a list of texts, or of one text.
fn words(value: &Value) -> Vec<String> {
    match value {
        Value::String(one) => vec![one.clone()],
        Value::Array(many) => many.iter().map(|word| word.as_str().unwrap().to_owned()).collect(),
        other => panic!("{other} is no list of words"),
    }
}

/// The rules of a role, each as `verbs group/resources [names]`.
fn rules(role: &Value) -> Vec<String> {
    let rule = |rule: &Value| {
        let names = match rule.get("resourceNames") {
            Some(names) => format!(" {}", words(names).join(",")),
            None => String::new(),
        };
        let [verbs, groups, resources] =
            ["verbs", "apiGroups", "resources"].map(|part| words(&rule[part]).join(","));
        format!("{verbs} {groups}/{resources}{names}")
    };
    role["rules"].as_array().unwrap().iter().map(rule).collect()
}

#[test]
fn the_operator_may_do_in_the_cluster_what_is_listed_here_and_nothing_else() {
    let roles = of_kind("rbac.yaml", "ClusterRole");
    assert_eq!(roles.keys().collect::<Vec<_>>(), ["reshard", "reshard-edit", "reshard-view"]);
    let expected = [
        "get,list,watch reshard.dev/kinesisstreamautoscalers",
        "patch reshard.dev/kinesisstreamautoscalers/status",
        "get,list,watch /namespaces",
        "create events.k8s.io/events",
    ];
    assert_eq!(rules(&roles["reshard"]), expected);
    let leader = of_kind("rbac.yaml", "Role");
    assert_eq!(leader.keys().collect::<Vec<_>>(), ["reshard-leader"]);
    let expected = ["get,update coordination.k8s.io/leases reshard", "create coordination.k8s.io/leases"];
    assert_eq!(rules(&leader["reshard-leader"]), expected);
    // People: nothing of the operator's own.
    let people = ["reshard-edit", "reshard-view"].map(|name| rules(&roles[name]));
    let expected = [
        ["create,delete,deletecollection,patch,update reshard.dev/kinesisstreamautoscalers"],
        ["get,list,watch reshard.dev/kinesisstreamautoscalers,kinesisstreamautoscalers/status"],
    ];
    assert_eq!(people, expected);
}

#[test]
fn the_cron_job_may_read_its_resource_its_namespace_and_the_lease_and_nothing_else() {
    let role = of_kind("cronjob/rbac.yaml", "Role");
    assert_eq!(rules(&role["reshard-cronjob"]), ["get reshard.dev/kinesisstreamautoscalers orders"]);
    let roles = of_kind("cronjob/rbac.yaml", "ClusterRole");
    let expected = ["get /namespaces payments", "get coordination.k8s.io/leases reshard"];
    assert_eq!(rules(&roles["reshard-cronjob-payments"]), expected);
    assert_eq!((role.len(), roles.len()), (1, 1));
}

#[test]
fn every_binding_binds_a_role_and_an_account_that_are_there() {
    for (file, accounts) in [("rbac.yaml", "serviceaccount.yaml"), ("cronjob/rbac.yaml", "cronjob/rbac.yaml")]
    {
        let accounts = of_kind(accounts, "ServiceAccount");
        let mut bound = 0;
        for kind in ["Role", "ClusterRole"] {
            let roles = of_kind(file, kind);
            for binding in of_kind(file, &format!("{kind}Binding")).values() {
                bound += 1;
                assert_eq!(binding["roleRef"]["kind"], kind);
                assert!(roles.contains_key(binding["roleRef"]["name"].as_str().unwrap()), "{binding}");
                let [subject] = &binding["subjects"].as_array().unwrap()[..] else { panic!("{binding}") };
                assert_eq!(subject["kind"], "ServiceAccount");
                assert!(accounts.contains_key(subject["name"].as_str().unwrap()), "{binding}");
            }
        }
        assert_eq!(bound, 2, "{file}");
    }
}

#[test]
fn the_operator_is_an_account_of_the_namespace_that_it_is_installed_in() {
    let namespace = of_kind("namespace.yaml", "Namespace").into_keys().next().unwrap();
    let kustomization = fs::read_to_string(root().join("manifests/kustomization.yaml")).unwrap();
    assert!(kustomization.contains(&format!("\nnamespace: {namespace}\n")));
    for binding in of_kind("rbac.yaml", "ClusterRoleBinding").values() {
        assert_eq!(binding["subjects"][0]["namespace"], *namespace);
    }
    // Kustomize puts a generated name's suffix wherever the same name stands in a rule.
    assert!(kustomization.contains("\n- name: reshard-settings\n"));
}

/// The actions of each statement of a policy that allows, by the resource.
fn allowed(file: &str) -> BTreeMap<String, BTreeSet<String>> {
    let text = fs::read_to_string(root().join("manifests/iam").join(file)).unwrap();
    let policy: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(policy["Version"], "2012-10-17");
    let mut allowed: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for statement in policy["Statement"].as_array().unwrap() {
        assert_eq!(statement["Effect"], "Allow");
        let resource = statement["Resource"].as_str().unwrap().to_owned();
        allowed.entry(resource).or_default().extend(words(&statement["Action"]));
    }
    allowed
}

#[test]
fn policies_allow_the_calls_that_are_made_and_no_more_on_all_streams_than_aws_can_scope() {
    const STREAM: &str = "arn:aws:kinesis:REGION:ACCOUNT:stream/STREAM";
    let set = |actions: &[&str]| actions.iter().map(|action| (*action).to_owned()).collect::<BTreeSet<_>>();
    let look = ["kinesis:DescribeStreamSummary", "kinesis:ListShards"];
    let act = [&look[..], &["kinesis:MergeShards", "kinesis:SplitShard"]].concat();
    let anywhere = ["cloudwatch:GetMetricData", "kinesis:DescribeLimits"];
    for (file, stream, all) in [
        ("read.json", &look[..], &anywhere[..1]),
        ("apply.json", &act, &anywhere),
        (
            "apply-with-enhanced-monitoring.json",
            &act,
            &[&anywhere[..], &["kinesis:EnableEnhancedMonitoring"]].concat(),
        ),
        (
            "apply-with-update-shard-count.json",
            &act,
            &[&anywhere[..], &["kinesis:UpdateShardCount"]].concat(),
        ),
    ] {
        let expected = BTreeMap::from([(STREAM.to_owned(), set(stream)), ("*".to_owned(), set(all))]);
        assert_eq!(allowed(file), expected, "{file}");
    }
    let roles = BTreeMap::from([(
        "arn:aws:iam::*:role/reshard/*".to_owned(),
        set(&["sts:AssumeRole", "sts:TagSession"]),
    )]);
    assert_eq!(allowed("operator.json"), roles);
}

#[test]
fn roles_trust_one_service_account_one_cluster_or_one_external_id() {
    let statement = |file: &str| {
        let text = fs::read_to_string(root().join("manifests/iam").join(file)).unwrap();
        let policy: Value = serde_json::from_str(&text).unwrap();
        let [statement] = &policy["Statement"].as_array().unwrap()[..] else { panic!("{file}") };
        statement.clone()
    };
    let namespace = statement("trust-namespace-role.json");
    assert_eq!(namespace["Condition"], json!({"StringEquals": {"sts:ExternalId": "CLUSTER_ID/NAMESPACE"}}));
    let irsa = statement("trust-operator-irsa.json");
    let condition = &irsa["Condition"]["StringEquals"];
    assert_eq!(condition["OIDC_PROVIDER:sub"], "system:serviceaccount:reshard:reshard");
    assert_eq!(condition["OIDC_PROVIDER:aud"], "sts.amazonaws.com");
    let pod_identity = statement("trust-operator-pod-identity.json");
    assert_eq!(pod_identity["Principal"], json!({"Service": "pods.eks.amazonaws.com"}));
    assert!(pod_identity["Condition"]["ArnEquals"]["aws:SourceArn"].is_string());
    assert_eq!(files("manifests/iam", "json").len(), 8, "a policy that nobody checks");
}
