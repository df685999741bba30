//! The first day with the operator, as somebody with kubectl has it: everything is installed as it is
//! shipped, and what kubectl shows tells the story.

use std::process::Command;

use super::world::World;
use crate::support::cluster::Real;

/// What kubectl prints; its arguments are separated by blanks.
fn run(mut kubectl: Command, arguments: &str) -> String {
    let manifests = concat!(env!("CARGO_MANIFEST_DIR"), "/manifests");
    let ran = kubectl.args(arguments.split(' ')).current_dir(manifests).output().unwrap();
    let (said, told) = (String::from_utf8(ran.stdout).unwrap(), String::from_utf8(ran.stderr).unwrap());
    assert!(ran.status.success(), "kubectl {arguments}: {said}{told}");
    said
}

/// The cells of a table's only row, and of its head.
fn table(text: &str) -> Vec<(String, String)> {
    let mut lines = text.lines().map(|line| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
    let (head, row) = (lines.next().unwrap(), lines.next().unwrap());
    assert_eq!((head.len(), lines.next()), (row.len(), None), "{text}");
    head.into_iter().zip(row).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_shipped_works_as_the_user_guide_says() {
    let cluster = match Real::alone().await.and_then(|real| real.kubectl().map(|_| real)) {
        Ok(cluster) => cluster,
        Err(unable) => return println!("{unable}"),
    };
    let kubectl = |arguments: &str| run(cluster.kubectl().expect("it was there"), arguments);
    kubectl("apply -k .");
    kubectl("wait --for=condition=Established crd/kinesisstreamautoscalers.reshard.dev --timeout=30s");
    kubectl("apply -f examples/tenant.yaml -f examples/first.yaml");
    // The account and the region of the examples.
    let world = World::as_shipped(
        &cluster,
        "--shards 4 --rate 2MB --hot-spot 0.5:0.05 --reshard-seconds 30 --region eu-west-1 --account 111122223333",
    )
    .await;
    let replica = world.replica("reshard-0").await;
    let reason = |reason: &'static str| {
        let world = &world;
        async move {
            let is_so = async || {
                let ready = world.status().await.conditions.into_iter().find(|one| one.r#type == "Ready");
                ready.is_some_and(|ready| ready.reason == reason)
            };
            world.until(reason, is_so).await;
        }
    };
    let cells = |wide: &str| {
        let cells = table(&kubectl(&format!("get ksa orders -n payments{wide}")));
        cells.into_iter().filter(|(name, _)| name != "AGE").collect::<Vec<_>>()
    };
    let shown =
        |cells: &[(String, String)]| cells.iter().map(|(_, cell)| cell.clone()).collect::<Vec<_>>().join(" ");

    // Nothing is done at first: a plan is shown.
    reason("DryRun").await;
    let plain = cells("");
    let head: Vec<&str> = plain.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(head, ["NAME", "STREAM", "MODE", "MIN", "MAX", "SHARDS", "DESIRED", "READY"]);
    assert!(shown(&plain).starts_with("orders orders DryRun 4 64 4 "), "{plain:?}");
    assert!(kubectl("describe ksa orders -n payments").contains("PlanShown"));
    assert_eq!(world.splits(), 0);

    // It is proposed, and carried out once it is approved.
    kubectl(r#"patch ksa orders -n payments --type=merge -p={"spec":{"mode":"Approve"}}"#);
    reason("AwaitingApproval").await;
    let wide = cells(" -o wide");
    let head: Vec<&str> = wide.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(head[8..], ["PLAN", "REASON"]);
    let hash = wide[8].1.clone();
    assert_eq!((hash.len(), wide[9].1.as_str()), (16, "AwaitingApproval"), "{wide:?}");
    kubectl(&format!("annotate ksa orders -n payments reshard.dev/approve={hash}"));
    world.until("it is carried out", async || world.told("PlanDone").await == 1).await;
    let described = kubectl("describe ksa orders -n payments");
    let told: Vec<usize> = ["PlanShown", "PlanProposed", "PlanBegins", "Split", "PlanDone"]
        .into_iter()
        .map(|event| {
            let is_told = |line: &str| line.split_whitespace().take(2).eq(["Normal", event]);
            described.lines().position(is_told).unwrap_or_else(|| panic!("{event}: {described}"))
        })
        .collect();
    assert!(told.is_sorted(), "in the order of time: {described}");
    assert!(world.splits() >= 1);
    kubectl("wait --for=condition=Ready ksa/orders -n payments --timeout=10s");

    // Suspended, contested, and deleted.
    kubectl(r#"patch ksa orders -n payments --type=merge -p={"spec":{"suspend":true,"mode":"Apply"}}"#);
    reason("Suspended").await;
    kubectl(r#"patch ksa orders -n payments --type=merge -p={"spec":{"suspend":false}}"#);
    let rival =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/manifests/examples/first.yaml"))
            .unwrap();
    let rival = world.write("rival.yaml", &rival.replacen("name: orders", "name: rival", 1));
    kubectl(&format!("apply -f {}", rival.display()));
    reason("Conflict").await;
    let both = kubectl("get ksa -n payments -o wide");
    assert_eq!(both.matches("Conflict").count(), 2, "{both}");
    kubectl("delete ksa rival -n payments");
    kubectl("wait --for=condition=Ready ksa/orders -n payments --timeout=30s");
    kubectl("delete ksa orders -n payments");
    let gone = async || !replica.get("/metrics").await.unwrap_or_default().contains("name=\"orders\"");
    world.until("nothing is left of it", gone).await;
    let warned = replica.said_at("WARN");
    assert!(warned.iter().all(|line| line.contains("Conflict")), "{warned:#?}");
}
