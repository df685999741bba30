//! Ways to AWS on which metrics are asked for together: those of one region, in the name of one role
//! for one namespace, or of the operator itself.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Identity, Planes, Role};
use crate::gather::{Gathered, Gathering};

/// Ways to AWS on which metrics are asked for together. Clones share everything.
///
/// A session differs from another of the same role and namespace in its name alone, which tells
/// reads from each other in CloudTrail and grants nothing: a joined call bears the name of one of the
/// resources that it is for.
#[derive(Debug, Clone)]
pub struct GatheredPlanes<P> {
    planes: P,
    gatherings: Arc<Mutex<BTreeMap<Name, Gathering>>>,
}

/// Region, role and external ID: who shares them gets the same answers.
type Name = (Option<String>, Option<(String, String)>);

impl<P> GatheredPlanes<P> {
    /// Has those come together that `planes` gives a way to.
    pub fn new(planes: P) -> Self {
        GatheredPlanes { planes, gatherings: Arc::default() }
    }

    fn gathering(&self, identity: &Identity) -> Gathering {
        let Identity { region, role } = identity;
        let role = role.as_ref().map(|role| {
            let Role { arn, external_id, session_name: _ } = role;
            (arn.clone(), external_id.clone())
        });
        let mut gatherings = self.gatherings.lock().unwrap_or_else(PoisonError::into_inner);
        // Namespaces and roles come and go.
        gatherings.retain(|_, gathering| !gathering.is_deserted());
        gatherings.entry((region.clone(), role)).or_default().clone()
    }
}

impl<P: Planes> Planes for GatheredPlanes<P> {
    type Plane = Gathered<P::Plane>;

    async fn plane(&self, identity: &Identity) -> Result<Self::Plane, String> {
        Ok(Gathered::new(self.planes.plane(identity).await?, self.gathering(identity)))
    }

    fn region<'a>(&'a self, identity: &'a Identity) -> Option<&'a str> {
        self.planes.region(identity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_in_the_same_name_comes_together_and_nobody_else() {
        let planes = GatheredPlanes::new(());
        let arn = "arn:aws:iam::111122223333:role/reshard/payments";
        let role = |namespace: &str, name: &str| Some(Role::of(arn, "prod", namespace, name, None));
        let identity = |region: &str, role| Identity { region: Some(region.to_owned()), role };
        let first = planes.gathering(&identity("eu-west-1", role("payments", "orders")));
        let same = planes.gathering(&identity("eu-west-1", role("payments", "clicks")));
        let others = [
            planes.gathering(&identity("eu-west-2", role("payments", "orders"))),
            planes.gathering(&identity("eu-west-1", role("search", "orders"))),
            planes.gathering(&identity("eu-west-1", None)),
        ];
        assert_eq!(planes.gatherings.lock().expect("no panic").len(), 4);
        drop((first, same, others));
        planes.gathering(&identity("eu-west-1", None));
        assert_eq!(planes.gatherings.lock().expect("no panic").len(), 1, "the others are forgotten");
    }
}
