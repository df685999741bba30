//! What a request to an API server asks for: the way from a method and a URL to a verb, a resource
//! and parameters, by the rules of the API server's `RequestInfo`.

use std::collections::BTreeMap;
use std::fmt;

use http::{Method, Uri, header, request};

/// Kubernetes' own names of what can be done to resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    Get,
    List,
    Watch,
    Create,
    Update,
    Patch,
    Delete,
    DeleteCollection,
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&format!("{self:?}").to_lowercase())
    }
}

/// A request, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    pub verb: Verb,
    /// Empty for the core group.
    pub group: String,
    pub version: String,
    /// The plural in the URL: `leases`. For what is no resource, its path: `/version`.
    pub resource: String,
    pub namespace: Option<String>,
    pub name: Option<String>,
    pub subresource: Option<String>,
    pub params: BTreeMap<String, String>,
    pub content_type: String,
    /// Whether metadata alone is asked for.
    pub metadata_only: bool,
    /// By how the client calls itself.
    pub agent: String,
}

impl Call {
    pub fn of(head: &request::Parts) -> Call {
        let text = |name| {
            let value = head.headers.get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or_default().to_owned()
        };
        let params = params(&head.uri);
        let mut parts = head.uri.path().trim_matches('/').split('/').map(str::to_owned).peekable();
        let (group, version) = match parts.next().as_deref() {
            Some("api") => (String::new(), parts.next()),
            Some("apis") => (parts.next().unwrap_or_default(), parts.next()),
            _ => (String::new(), None),
        };
        let mut rest: Vec<String> = parts.collect();
        let mut namespace = None;
        let own = rest.get(2).is_some_and(|third| matches!(&**third, "status" | "finalize"));
        if rest.len() > 2 && rest[0] == "namespaces" && !own {
            namespace = Some(rest[1].clone());
            rest.drain(..2);
        }
        let mut rest = rest.into_iter();
        let resource = rest.next().filter(|_| version.is_some());
        let (name, subresource) = (rest.next(), rest.next());
        let watch = params.get("watch").is_some_and(|watch| matches!(&**watch, "true" | "1"));
        Call {
            verb: verb(&head.method, name.is_some(), watch),
            group,
            version: version.unwrap_or_default(),
            resource: resource.unwrap_or_else(|| head.uri.path().to_owned()),
            namespace,
            name,
            subresource,
            params,
            content_type: text(header::CONTENT_TYPE),
            metadata_only: text(header::ACCEPT).contains("as=PartialObjectMetadata"),
            agent: text(header::USER_AGENT),
        }
    }

    /// The parameter, where it is there and not empty.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params.get(name).map(|value| &**value).filter(|value| !value.is_empty())
    }

    pub fn is(&self, param: &str) -> bool {
        self.param(param) == Some("true")
    }

    /// The resource with its subresource, as rules of access name it: `leases/status`.
    pub fn full_resource(&self) -> String {
        let subresource = self.subresource.as_deref().map(|name| format!("/{name}"));
        format!("{}{}", self.resource, subresource.unwrap_or_default())
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Call { verb, namespace, name, .. } = self;
        write!(f, "{verb} {}", self.full_resource())?;
        for part in [namespace, name].into_iter().flatten() {
            write!(f, " {part}")?;
        }
        Ok(())
    }
}

fn verb(method: &Method, named: bool, watch: bool) -> Verb {
    match *method {
        Method::POST => Verb::Create,
        Method::PUT => Verb::Update,
        Method::PATCH => Verb::Patch,
        Method::DELETE if named => Verb::Delete,
        Method::DELETE => Verb::DeleteCollection,
        _ if watch => Verb::Watch,
        _ if named => Verb::Get,
        _ => Verb::List,
    }
}

fn params(uri: &Uri) -> BTreeMap<String, String> {
    let pairs = uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    let decoded = |text: &str| {
        let mut bytes = Vec::new();
        let mut rest = text.bytes();
        while let Some(byte) = rest.next() {
            bytes.push(match byte {
                b'+' => b' ',
                b'%' => {
                    let digits: Vec<u8> = rest.by_ref().take(2).collect();
                    u8::from_str_radix(&String::from_utf8_lossy(&digits), 16).unwrap_or(b'?')
                }
                other => other,
            });
        }
        String::from_utf8_lossy(&bytes).into_owned()
    };
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decoded(name), decoded(value)))
        .collect()
}
