//! Crash points: at every request of a scale-up the run is refused, loses the reply, or is killed
//! before or after the effect; a second run loses nothing and repeats nothing.

use super::*;

const PARTS: u32 = 4;
const FAULTS: [Fault; 7] = [
    Fault::Hang,
    Fault::EffectThenHang,
    Fault::LoseReply,
    Fault::Refuse(ErrorClass::Ambiguous),
    Fault::Refuse(ErrorClass::LimitExceeded),
    Fault::Refuse(ErrorClass::Unreachable),
    Fault::Refuse(ErrorClass::AccessDenied),
];

/// Runs towards four shards; a run that hangs is killed.
async fn run(plane: &TestPlane) -> Option<RunReport> {
    let policy = policy(1, 10);
    let executor = Executor::new(plane, &policy);
    let mut observer = Observer::one_shot();
    let run = executor.run_to_quiet(&mut observer, towards(PARTS), Some(Duration::from_secs(600)));
    tokio::time::timeout(Duration::from_secs(1), run).await.ok()
}

fn stream() -> TestPlane {
    TestPlane::new(1).made_minutes_ago(6)
}

async fn ends_right(plane: &TestPlane, story: &str) {
    plane.state().faults.clear();
    let report = run(plane).await.unwrap_or_else(|| panic!("{story}: the last run hangs"));
    assert!(matches!(report.end, End::Quiet { .. }), "{story}: {report:?}");
    assert_eq!(plane.ranges().len(), 4, "{story}");
    // Three splits lead from one shard to four: none was lost, none came twice.
    assert_eq!(plane.state().reshards, 3, "{story}");
    assert_eq!(plane.state().lives.len(), 7, "{story}");
}

async fn requests_of_a_run() -> usize {
    let plane = stream();
    ends_right(&plane, "without faults").await;
    plane.state().requests.len()
}

#[tokio::test(start_paused = true)]
async fn a_run_killed_or_failed_at_any_request_is_taken_up_by_the_next() {
    let requests = requests_of_a_run().await;
    assert!(requests > 30, "{requests}");
    for n in 0..requests {
        for fault in FAULTS {
            let plane = stream();
            plane.state().faults = vec![(n, fault)];
            run(&plane).await;
            assert!(plane.state().requests.len() > n, "the fault at request {n} struck");
            ends_right(&plane, &format!("request {n}, {fault:?}")).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn two_runs_killed_one_after_the_other_are_taken_up_by_the_third() {
    let requests = requests_of_a_run().await;
    let kills = [Fault::EffectThenHang, Fault::LoseReply];
    for first in 0..requests {
        for gap in [1, 2, 3, 7] {
            for (a, b) in kills.iter().flat_map(|a| kills.map(|b| (*a, b))) {
                let plane = stream();
                plane.state().faults = vec![(first, a), (first + gap, b)];
                run(&plane).await;
                run(&plane).await;
                ends_right(&plane, &format!("{first} {a:?}, {} {b:?}", first + gap)).await;
            }
        }
    }
}

/// Drops the run's future after any number of polls: wherever it awaits, it may be killed.
#[tokio::test(start_paused = true)]
async fn a_run_dropped_at_any_await_is_taken_up_by_the_next() {
    for polls in 0.. {
        let plane = stream();
        let ended = {
            let mut run = Box::pin(run(&plane));
            let mut left = polls;
            std::future::poll_fn(|context| {
                if left == 0 {
                    return std::task::Poll::Ready(false);
                }
                left -= 1;
                run.as_mut().poll(context).map(|_| true)
            })
            .await
        };
        ends_right(&plane, &format!("dropped after {polls} polls")).await;
        if ended {
            assert!(polls > 50, "{polls}");
            break;
        }
    }
}
