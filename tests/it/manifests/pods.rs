//! The pods: what they run, as whom, and how they are reached.

use std::fs;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use clap::Parser;
use reshard::cli::Cli;
use reshard::operator::metrics::Metrics;
use reshard::operator::server::{Heartbeat, Readiness, metrics_routes, probe_routes};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::{of_kind, root, sole};
use crate::cli::{NOBODY, run};

/// The template of the operator's pods.
fn operator() -> Value {
    sole("deployment.yaml", "Deployment")["spec"]["template"].take()
}

/// The template of the cron job's pods.
fn cron_job() -> Value {
    sole("cronjob/cronjob.yaml", "CronJob")["spec"]["jobTemplate"]["spec"]["template"].take()
}

#[test]
fn pods_keep_to_the_strictest_pod_security_standard() {
    for template in [operator(), cron_job()] {
        let spec = &template["spec"];
        let of_pod = json!({
            "runAsNonRoot": true, "runAsUser": 65_532, "runAsGroup": 65_532, "fsGroup": 65_532,
            "seccompProfile": {"type": "RuntimeDefault"},
        });
        assert_eq!(spec["securityContext"], of_pod);
        let [container] = &spec["containers"].as_array().unwrap()[..] else { panic!("one container") };
        let of_container = json!({
            "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]},
        });
        assert_eq!(container["securityContext"], of_container);
        assert!(container["resources"]["limits"]["memory"].is_string());
        assert!(container["resources"]["requests"]["cpu"].is_string());
        // A step's bookkeeping takes up to 10 s.
        assert!(spec["terminationGracePeriodSeconds"].as_u64().unwrap() >= 15);
        assert!(spec.get("volumes").is_none() && container.get("volumeMounts").is_none());
    }
    let namespace = sole("namespace.yaml", "Namespace");
    assert_eq!(namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"], "restricted");
}

/// The command line that the pods of a template run.
fn command_line(template: &Value) -> Vec<&str> {
    let arguments = template["spec"]["containers"][0]["args"].as_array().unwrap();
    ["reshard"].into_iter().chain(arguments.iter().map(|argument| argument.as_str().unwrap())).collect()
}

#[test]
fn the_cron_job_runs_a_command_line_that_is_taken_on_a_resource_that_it_may_read() {
    let template = cron_job();
    let line = command_line(&template);
    let taken = Cli::try_parse_from(&line);
    assert!(taken.is_ok(), "{line:?}: {}", taken.unwrap_err());
    assert_eq!(line[..4], ["reshard", "apply", "orders", "--namespace=payments"]);
    let role = &of_kind("cronjob/rbac.yaml", "Role")["reshard-cronjob"];
    assert_eq!(role["metadata"]["namespace"], "payments");
    assert_eq!(role["rules"][0]["resourceNames"], json!(["orders"]));
}

#[test]
fn the_operator_runs_a_command_line_that_is_taken_and_listens_where_it_is_asked() {
    let template = operator();
    let container = &template["spec"]["containers"][0];
    // What comes from the ConfigMap is no secret: a flag says the same.
    let line = [&command_line(&template)[..], &["--cluster-id=example"]].concat();
    let taken = Cli::try_parse_from(&line);
    assert!(taken.is_ok(), "{line:?}: {}", taken.unwrap_err());
    assert_eq!(line[1], "operator");
    let port = &container["ports"][0]["containerPort"];
    let help = run(NOBODY, &["operator", "--help"]).stdout;
    assert!(help.contains(&format!("[default: 0.0.0.0:{port}]")), "{help}");
}

#[test]
fn every_variable_of_a_pod_is_one_that_its_command_reads() {
    for template in [operator(), cron_job()] {
        let help = run(NOBODY, &[command_line(&template)[1], "--help"]).stdout;
        for variable in template["spec"]["containers"][0]["env"].as_array().unwrap() {
            let name = variable["name"].as_str().unwrap();
            assert!(help.contains(&format!("[env: {name}=]")), "{name}: {help}");
        }
    }
}

#[test]
fn the_operator_runs_twice_and_is_found_by_one_set_of_labels() {
    let deployment = sole("deployment.yaml", "Deployment");
    assert_eq!(deployment["spec"]["replicas"], 2);
    let labels = deployment["spec"]["template"]["metadata"]["labels"].clone();
    let [pdb, policy, service] = [
        sole("pdb.yaml", "PodDisruptionBudget"),
        sole("networkpolicy.yaml", "NetworkPolicy"),
        sole("service.yaml", "Service"),
    ];
    let spread = &deployment["spec"]["template"]["spec"]["topologySpreadConstraints"];
    for selector in [
        &deployment["spec"]["selector"]["matchLabels"],
        &pdb["spec"]["selector"]["matchLabels"],
        &policy["spec"]["podSelector"]["matchLabels"],
        &service["spec"]["selector"],
        &spread[0]["labelSelector"]["matchLabels"],
        &spread[1]["labelSelector"]["matchLabels"],
    ] {
        assert_eq!(*selector, labels);
    }
    assert_eq!(pdb["spec"]["maxUnavailable"], 1);
    let account = deployment["spec"]["template"]["spec"]["serviceAccountName"].as_str().unwrap();
    assert!(of_kind("serviceaccount.yaml", "ServiceAccount").contains_key(account));
    // The cron job's pods are no replicas.
    assert_ne!(cron_job()["metadata"]["labels"], labels);
}

#[tokio::test]
async fn probes_and_metrics_ask_for_what_is_answered_on_a_port_that_is_open() {
    let template = operator();
    let container = &template["spec"]["containers"][0];
    let port = &container["ports"][0];
    assert_eq!((&port["name"], &port["containerPort"]), (&json!("http"), &json!(8080)));
    let routes = probe_routes(Heartbeat::default(), Duration::from_secs(60), Readiness::default())
        .merge(metrics_routes(Metrics::new("reshard", false)));
    let mut paths = vec!["/metrics".to_owned()];
    for probe in ["livenessProbe", "readinessProbe"] {
        let get = &container[probe]["httpGet"];
        assert_eq!(get["port"], "http");
        paths.push(get["path"].as_str().unwrap().to_owned());
    }
    assert_eq!(paths[1..], ["/healthz", "/readyz"]);
    for path in paths {
        let request = Request::get(&path).body(Body::empty()).unwrap();
        let status = routes.clone().oneshot(request).await.unwrap().status();
        assert_ne!(status, StatusCode::NOT_FOUND, "{path}");
    }
    let service = sole("service.yaml", "Service");
    assert_eq!(service["spec"]["ports"][0]["targetPort"], "http");
    let policy = sole("networkpolicy.yaml", "NetworkPolicy");
    let [ingress] = &policy["spec"]["ingress"].as_array().unwrap()[..] else { panic!("metrics only") };
    assert_eq!(ingress["ports"], json!([{"port": "http"}]));
    let egress: Vec<u64> = policy["spec"]["egress"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|rule| rule["ports"].as_array().unwrap())
        .map(|port| port["port"].as_u64().unwrap())
        .collect();
    // Names twice, the API server and AWS, the agent of Pod Identity.
    assert_eq!(egress, [53, 53, 443, 6_443, 80]);
}

#[test]
fn the_image_runs_the_binary_as_the_user_of_the_pods() {
    let dockerfile = fs::read_to_string(root().join("Dockerfile")).unwrap();
    let lines: Vec<&str> = dockerfile.lines().collect();
    assert!(lines.contains(&"USER 65532:65532"));
    assert!(lines.contains(&"ENTRYPOINT [\"/reshard\"]"));
    assert!(lines.contains(&"CMD [\"operator\"]"));
    // The compiler is new enough for the package.
    let minor = |text: &str, before: &str| -> u32 {
        let rest = text.split(before).nth(1).unwrap();
        rest.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap()
    };
    let package = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    assert!(minor(&dockerfile, "FROM rust:1.") >= minor(&package, "rust-version = \"1."));
    // What is copied is all that a build needs, and nothing else goes to the builder.
    let ignored = fs::read_to_string(root().join(".dockerignore")).unwrap();
    for kept in ignored.lines().filter_map(|line| line.strip_prefix('!')) {
        let name = |word: &str| word == kept;
        assert!(lines.iter().any(|line| line.starts_with("COPY ") && line.split(' ').any(name)), "{kept}");
    }
}
