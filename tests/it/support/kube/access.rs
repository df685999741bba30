//! Who may do what: rules of access as `PolicyRule`s, for each client. A client without any may do
//! everything.

use std::collections::BTreeMap;

use k8s_openapi::api::rbac::v1::PolicyRule;

use super::call::Call;
use super::refusal::Refusal;

/// The rules of all clients.
#[derive(Debug, Default)]
pub struct Access(BTreeMap<String, Vec<Grant>>);

#[derive(Debug)]
struct Grant {
    /// None: in all.
    namespace: Option<String>,
    rule: PolicyRule,
}

impl Access {
    /// From now on the client may do this, and what was granted before, and nothing else.
    pub fn grant(&mut self, client: &str, namespace: Option<&str>, rules: Vec<PolicyRule>) {
        let grants = rules.into_iter().map(|rule| Grant { namespace: namespace.map(str::to_owned), rule });
        self.0.entry(client.to_owned()).or_default().extend(grants);
    }

    pub fn check(&self, client: &str, call: &Call) -> Result<(), Refusal> {
        let Some(grants) = self.0.get(client) else { return Ok(()) };
        // Asking who is there is everybody's right.
        if call.version.is_empty() || grants.iter().any(|grant| grant.allows(call)) {
            return Ok(());
        }
        let place = match &call.namespace {
            Some(namespace) => format!("in the namespace \"{namespace}\""),
            None => "at the cluster scope".to_owned(),
        };
        let name = call.name.as_ref().map(|name| format!(" \"{name}\"")).unwrap_or_default();
        let (resource, group) = (&call.resource, &call.group);
        let what = if group.is_empty() { resource.clone() } else { format!("{resource}.{group}") };
        Err(Refusal::new(
            403,
            "Forbidden",
            format!(
                "{what}{name} is forbidden: User \"{client}\" cannot {} resource \"{}\" in API group \"{group}\" {place}",
                call.verb,
                call.full_resource(),
            ),
        ))
    }
}

impl Grant {
    fn allows(&self, call: &Call) -> bool {
        let Grant { namespace, rule } = self;
        let has = |list: &Option<Vec<String>>, wanted: &str| {
            list.iter().flatten().any(|one| one == "*" || one == wanted)
        };
        let verbs = rule.verbs.iter().any(|verb| verb == "*" || *verb == call.verb.to_string());
        let named = match &rule.resource_names {
            None => true,
            Some(names) if names.is_empty() => true,
            Some(names) => call.name.as_ref().is_some_and(|name| names.contains(name)),
        };
        namespace.as_ref().is_none_or(|namespace| Some(namespace) == call.namespace.as_ref())
            && verbs
            && named
            && has(&rule.api_groups, &call.group)
            && has(&rule.resources, &call.full_resource())
    }
}
