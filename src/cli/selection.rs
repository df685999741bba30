//! Which streams a command is about: `-f FILE`, once or more, or resources of a cluster.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{ArgGroup, Args};

use super::aws::shell_word;
use super::outcome::{self, Faults};
use super::standing::Standing;
use crate::manifest::{self, ManifestError};
use crate::operator::cluster::Cluster;
use crate::operator::connect::ClusterOptions;
use crate::operator::object::{Autoscaler, Key};
use crate::policy::ScalingPolicy;
use crate::policy::claim::Claim;

/// Streams by their files.
#[derive(Debug, Args)]
pub(super) struct Files {
    /// A KinesisStreamAutoscaler manifest; several documents and several -f are taken, - is stdin
    #[arg(short = 'f', long = "filename", value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
}

/// Streams by their files, or by their resources in a cluster.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").required(true).args(["name", "files", "all_namespaces"]))]
pub(super) struct Selection {
    /// A resource of the cluster
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// A KinesisStreamAutoscaler manifest; several documents and several -f are taken, - is stdin
    #[arg(short = 'f', long = "filename", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// All resources of all namespaces
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    #[command(flatten)]
    place: Place,
}

/// Where a resource is.
#[derive(Debug, Clone, Args)]
pub(super) struct Place {
    /// The namespace, before that of the kubeconfig's context
    #[arg(short, long, value_name = "NAMESPACE", help_heading = "Cluster")]
    #[arg(conflicts_with_all = ["files", "all_namespaces"])]
    namespace: Option<String>,
    /// The context of the kubeconfig
    #[arg(long, value_name = "NAME", conflicts_with = "files", help_heading = "Cluster")]
    context: Option<String>,
}

/// One resource of a cluster.
#[derive(Debug, Args)]
pub(super) struct Named {
    /// The resource
    #[arg(value_name = "NAME")]
    name: String,
    /// The namespace, before that of the kubeconfig's context
    #[arg(short, long, value_name = "NAMESPACE", help_heading = "Cluster")]
    namespace: Option<String>,
    /// The context of the kubeconfig
    #[arg(long, value_name = "NAME", help_heading = "Cluster")]
    context: Option<String>,
}

/// One stream of a selection.
#[derive(Debug, Clone)]
pub(super) struct Selected {
    /// Where it says what is wanted.
    pub origin: Origin,
    /// What is wanted.
    pub policy: ScalingPolicy,
    /// The plan that stands in the cluster, and its approval.
    pub standing: Option<Standing>,
}

/// Where it says what is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    /// In a file.
    File(PathBuf),
    /// In a cluster.
    Cluster {
        /// The resource.
        key: Key,
        /// The context that was asked for.
        context: Option<String>,
    },
}

impl Origin {
    /// How errors call it.
    pub fn called(&self) -> String {
        match self {
            Origin::File(file) => file.display().to_string(),
            Origin::Cluster { key, .. } => key.to_string(),
        }
    }

    /// What selects it again, on a command line.
    pub fn arguments(&self) -> String {
        match self {
            Origin::File(file) => format!("-f {}", shell_word(&file.display().to_string())),
            Origin::Cluster { key, context } => place(key, context.as_deref()),
        }
    }
}

/// `orders -n payments`, with the context where one was given.
pub(super) fn place(key: &Key, context: Option<&str>) -> String {
    let context = context.map(|name| format!(" --context {}", shell_word(name))).unwrap_or_default();
    format!("{} -n {}{context}", key.name, key.namespace)
}

/// What was selected: all that is wrong of one is told, and the others go on.
#[derive(Debug, Default)]
pub(super) struct Selections {
    pub selected: Vec<Selected>,
    /// What is wrong with the others. Of files there are no others: the command ends.
    pub faults: Vec<String>,
    /// The cluster that they are in.
    pub cluster: Option<Cluster>,
}

impl Files {
    /// Reads every file. One that is wrong stops the command before anything is touched, and all
    /// that is wrong is told at once.
    pub fn read(&self) -> anyhow::Result<Vec<Selected>> {
        read_files(&self.files)
    }
}

impl Selection {
    /// Reads what is selected. Of files, one that is wrong stops the command before anything is
    /// touched; of the resources of a cluster, which belong to several people, the others go on.
    pub async fn read(&self) -> anyhow::Result<Selections> {
        let Selection { name, files, all_namespaces: _, place: Place { namespace, context } } = self;
        if !files.is_empty() {
            return Ok(Selections { selected: read_files(files)?, ..Selections::default() });
        }
        let cluster = cluster(context.as_deref()).await?;
        let objects = match name {
            Some(name) => vec![find(&cluster, name, namespace.as_deref()).await?],
            None => cluster.list().await?,
        };
        if objects.is_empty() {
            anyhow::bail!("the cluster has no KinesisStreamAutoscaler");
        }
        let mut selections = Selections::default();
        for object in &objects {
            let key = object.key();
            match object.policy() {
                Ok(policy) => {
                    let origin = Origin::Cluster { key, context: context.clone() };
                    let standing = Some(Standing::of(object));
                    selections.selected.push(Selected { origin, policy, standing });
                }
                Err(faults) => {
                    selections.faults.extend(faults.iter().map(|fault| format!("{key}: {fault}")));
                }
            }
        }
        // Neither of two that are about the same stream is right: each would undo the other's work.
        let twice = doubled(&selections.selected);
        selections.selected.retain(|one| !twice.contains_key(&one.origin.called()));
        selections.faults.extend(twice.into_values());
        selections.cluster = Some(cluster);
        Ok(selections)
    }
}

impl Named {
    /// The resource as it stands there, and the cluster.
    pub async fn find(&self) -> anyhow::Result<(Cluster, Autoscaler)> {
        let cluster = cluster(self.context.as_deref()).await?;
        let object = find(&cluster, &self.name, self.namespace.as_deref()).await?;
        Ok((cluster, object))
    }

    /// What selects it again, on a command line.
    pub fn arguments(&self, key: &Key) -> String {
        place(key, self.context.as_deref())
    }
}

async fn cluster(context: Option<&str>) -> anyhow::Result<Cluster> {
    let options = ClusterOptions { context: context.map(str::to_owned), ..ClusterOptions::default() };
    Ok(Cluster::connect(&options).await?)
}

async fn find(cluster: &Cluster, name: &str, namespace: Option<&str>) -> anyhow::Result<Autoscaler> {
    Ok(cluster.get(&Key::new(namespace.unwrap_or(cluster.namespace()), name)).await?)
}

fn read_files(files: &[PathBuf]) -> anyhow::Result<Vec<Selected>> {
    let (mut selected, mut faults) = (Vec::new(), Vec::new());
    for file in files {
        match manifest::read(file) {
            Ok(manifests) => selected.extend(manifests.into_iter().map(|manifest| Selected {
                origin: Origin::File(file.clone()),
                policy: manifest.policy,
                standing: None,
            })),
            Err(ManifestError::Invalid(found)) => faults.extend(found.iter().map(ToString::to_string)),
            Err(error) => faults.push(outcome::chain(&error.into())),
        }
    }
    faults.extend(doubled(&selected).into_values());
    if faults.is_empty() { Ok(selected) } else { Err(Faults(faults).into()) }
}

/// Two resources for one stream would work against each other: what is wrong, by where they are. Which stream it is
/// that a name stands for, the environment says in part: what is open may be anything.
fn doubled(selected: &[Selected]) -> BTreeMap<String, String> {
    let mut seen: BTreeMap<&str, Vec<(Claim, &Origin)>> = BTreeMap::new();
    let mut faults = BTreeMap::new();
    for Selected { origin, policy, standing: _ } in selected {
        let claim = Claim::of(policy);
        let namesakes = seen.entry(&policy.stream.name).or_default();
        for (rival, first) in namesakes.iter().filter(|(rival, _)| rival.may_be(&claim)) {
            let (one, other) = (first.called(), origin.called());
            let fault = |of: &str, other: &str| match rival.is_same(&claim) {
                true => format!(
                    "{of}: the stream {} is also in {other}: one resource for each stream",
                    claim.name
                ),
                false => format!(
                    "{of}: the stream {} may be that of {other}: one resource for each stream, or each with its ARN",
                    claim.name
                ),
            };
            if matches!(origin, Origin::Cluster { .. }) {
                faults.insert(one.clone(), fault(&one, &other));
            }
            faults.insert(other.clone(), fault(&other, &one));
        }
        namesakes.push((claim, origin));
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selected(origin: Origin, name: &str) -> Selected {
        Selected { origin, policy: ScalingPolicy::for_stream(name, 8), standing: None }
    }

    fn in_cluster(namespace: &str, name: &str) -> Origin {
        Origin::Cluster { key: Key::new(namespace, name), context: None }
    }

    #[test]
    fn a_stream_that_is_named_twice_is_refused() {
        let file = |name: &str| Origin::File(PathBuf::from(name));
        let apart = [selected(file("a.yaml"), "orders"), selected(file("b.yaml"), "clicks")];
        assert!(doubled(&apart).is_empty());
        let twice = [selected(file("a.yaml"), "orders"), selected(file("b.yaml"), "orders")];
        assert_eq!(
            doubled(&twice).into_values().collect::<Vec<_>>(),
            ["b.yaml: the stream orders is also in a.yaml: one resource for each stream"]
        );
        let spelled = |region: Option<&str>, arn: Option<&str>| {
            let mut selected = selected(file("b.yaml"), "orders");
            selected.policy.stream.region = region.map(str::to_owned);
            selected.policy.stream.arn = arn.map(str::to_owned);
            selected
        };
        let arn = "arn:aws:kinesis:eu-west-1:111122223333:stream/orders";
        let by_region = spelled(Some("eu-west-1"), None);
        for other in [spelled(None, Some(arn)), spelled(None, None)] {
            let told: Vec<_> = doubled(&[by_region.clone(), other]).into_values().collect();
            assert!(told[0].contains("the stream orders may be that of b.yaml"), "{told:?}");
        }
        assert!(doubled(&[by_region, spelled(Some("eu-west-2"), None)]).is_empty());
    }

    #[test]
    fn of_two_resources_for_one_stream_both_are_refused() {
        let twice = [
            selected(in_cluster("payments", "orders"), "orders"),
            selected(in_cluster("billing", "orders-too"), "orders"),
            selected(in_cluster("billing", "clicks"), "clicks"),
        ];
        assert_eq!(
            doubled(&twice).into_keys().collect::<Vec<_>>(),
            ["billing/orders-too", "payments/orders"]
        );
    }

    #[test]
    fn what_was_selected_can_be_selected_again() {
        assert_eq!(Origin::File(PathBuf::from("my orders.yaml")).arguments(), "-f 'my orders.yaml'");
        assert_eq!(in_cluster("payments", "orders").arguments(), "orders -n payments");
        let prod = Origin::Cluster { key: Key::new("a", "b"), context: Some("prod".to_owned()) };
        assert_eq!(prod.arguments(), "b -n a --context prod");
    }
}
