//! The operator as what it is in a cluster: a process with the rights of its own service account, that
//! starts, works, is stopped, killed and told to end. In real time: against the API server in memory, over
//! HTTP, and against a real one where there is one.

use serde_json::Value;

mod ends;
mod kubectl;
mod relay;
mod replica;
mod rights;
mod world;

/// Writes tests once for both kinds of clusters. On a real server a test is `alone` or `shared` with
/// others.
macro_rules! with_processes {
    ($($(#[$meta:meta])* async fn $name:ident($cluster:ident: &dyn Cluster, $real:ident) $body:block)*) => {$(
        mod $name {
            use super::*;

            $(#[$meta])*
            async fn test($cluster: &dyn Cluster) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn in_memory() {
                test(&$crate::support::cluster::Memory::start(0)).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_a_real_server() {
                match $crate::support::cluster::Real::$real().await {
                    Ok(cluster) => test(&cluster).await,
                    Err(unable) => println!("{unable}"),
                }
            }
        }
    )*};
}
use with_processes;

/// The objects of a file of `manifests`.
fn shipped(file: &str) -> Vec<Value> {
    let path = format!("{}/manifests/{file}", env!("CARGO_MANIFEST_DIR"));
    reshard::manifest::documents(&std::fs::read_to_string(&path).unwrap(), &path).unwrap()
}
