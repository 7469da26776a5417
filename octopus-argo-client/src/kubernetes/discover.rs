//! Asking the cluster for Argo CDs.

use std::collections::BTreeSet;

use kube::Client;
use octopus_argo_core::helm::AccountSetup;
use octopus_argo_core::setup::{
    AccountName, CONFIG_MAP, Deployment, FoundArgoCd, LABEL_SELECTORS, PARAMETERS_CONFIG_MAP,
    RBAC_CONFIG_MAP, SkipReason, Skipped, Surroundings, Unread, api_servers, api_servers_by_image, describe,
};

use super::api::{Filter, Resource, get, list};
use super::error::{DiscoverError, NothingFound, RequestError};
use super::objects::{
    ConfigMapObject, DeploymentObject, HttpRouteObject, IngressObject, Named, ServiceObject,
};

/// Looks for Argo CD in a cluster.
///
/// It lists Deployments, and around each API server it reads the Service, two config maps, Ingresses, `HTTPRoute`s and
/// `argocds`. The verbs are `get` and `list`. What may not be read is left out of the answer and named in it
/// ([`FoundArgoCd::unread`]); without the right to list Deployments everywhere, namespaces are looked into one by one.
#[derive(Clone)]
pub struct Discovery {
    client: Client,
    namespaces: Option<Vec<String>>,
}

impl std::fmt::Debug for Discovery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Discovery")
            .field("namespaces", &self.namespaces)
            .finish_non_exhaustive()
    }
}

/// Deployments, and where none could be listed.
#[derive(Default)]
struct Deployments {
    found: Vec<Deployment>,
    forbidden: BTreeSet<String>,
}

impl Discovery {
    /// Looks in all namespaces.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self {
            client,
            namespaces: None,
        }
    }

    /// Looks in these namespaces only, for credentials that see no more.
    #[must_use]
    pub fn namespaces(mut self, namespaces: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.namespaces = Some(namespaces.into_iter().map(Into::into).collect());
        self
    }

    /// Every Argo CD that a gateway could use, sorted by namespace; never none. Which one of several is meant is for
    /// [`choose`](octopus_argo_core::setup::choose).
    ///
    /// # Errors
    /// [`DiscoverError::NothingFound`] says what was seen and could not be used; [`DiscoverError::Request`] where the API
    /// server did not answer. Each question has 30 s.
    ///
    /// # Cancel safety
    /// Cancel-safe. It changes nothing.
    pub async fn find(&self) -> Result<Vec<FoundArgoCd>, DiscoverError> {
        let mut all = Deployments::default();
        for labels in LABEL_SELECTORS {
            let filter = Filter {
                labels: Some(labels),
                ..Filter::default()
            };
            self.deployments(filter, self.namespaces.as_deref(), &mut all)
                .await?;
        }
        let parts = all.found.len();
        let mut servers = api_servers(std::mem::take(&mut all.found));
        if servers.is_empty() {
            let holders = self.holders_of_config(&mut all).await?;
            let nothing = Filter::default();
            self.deployments(nothing, Some(holders.as_slice()), &mut all)
                .await?;
            servers = api_servers_by_image(std::mem::take(&mut all.found));
        }
        servers.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
        let core_mode = servers.is_empty() && parts > 0;
        let (mut found, mut skipped) = (Vec::new(), Vec::new());
        for server in &servers {
            match self.look_around(server).await? {
                Ok(argo_cd) => found.push(argo_cd),
                Err(reason) => skipped.push(reason),
            }
        }
        if found.is_empty() {
            return Err(NothingFound {
                skipped,
                core_mode,
                forbidden: all.forbidden.into_iter().collect(),
            }
            .into());
        }
        Ok(found)
    }

    /// The account that a gateway needs in `argo_cd`, with what is there already: capabilities, policies, and the versions
    /// of the config maps, so that the patches overwrite nobody's work.
    ///
    /// # Errors
    /// [`RequestError`] if a config map cannot be read. One that does not exist counts as empty.
    ///
    /// # Cancel safety
    /// Cancel-safe. It changes nothing.
    pub async fn account_setup(
        &self,
        argo_cd: &FoundArgoCd,
        account: AccountName,
    ) -> Result<AccountSetup, RequestError> {
        let map = |name| get::<ConfigMapObject>(&self.client, CONFIG_MAPS, &argo_cd.namespace, name);
        let config = map(CONFIG_MAP).await?;
        let rbac = map(RBAC_CONFIG_MAP).await?;
        let key = format!("accounts.{account}");
        let mut setup = AccountSetup::new(account)
            .namespace(&argo_cd.namespace)
            .resource_versions(
                config
                    .as_ref()
                    .and_then(|map| map.metadata.resource_version.clone()),
                rbac.as_ref()
                    .and_then(|map| map.metadata.resource_version.clone()),
            );
        let mut data = config.map(|map| map.data).unwrap_or_default();
        if let Some(capabilities) = data.remove(&key) {
            setup = setup.capabilities(capabilities);
        }
        if let Some(enabled) = data.remove(&format!("{key}.enabled")) {
            setup = setup.enabled(enabled);
        }
        let policy = rbac.and_then(|mut map| map.data.remove("policy.csv"));
        Ok(setup.policy_csv(policy.unwrap_or_default()))
    }

    /// Adds the Deployments that pass `filter`, everywhere or in `namespaces`.
    async fn deployments(
        &self,
        filter: Filter<'_>,
        namespaces: Option<&[String]>,
        all: &mut Deployments,
    ) -> Result<(), RequestError> {
        let everywhere;
        let namespaces = match namespaces {
            Some(namespaces) => namespaces,
            None => match list::<DeploymentObject>(&self.client, DEPLOYMENTS, None, filter).await {
                Ok(found) => {
                    all.found.extend(found.into_iter().map(Deployment::from));
                    return Ok(());
                }
                Err(refused) if refused.is_forbidden() => {
                    everywhere = self.all_namespaces(refused).await?;
                    everywhere.as_slice()
                }
                Err(error) => return Err(error),
            },
        };
        for namespace in namespaces {
            match list::<DeploymentObject>(&self.client, DEPLOYMENTS, Some(namespace), filter).await {
                Ok(found) => all.found.extend(found.into_iter().map(Deployment::from)),
                Err(error) if error.is_forbidden() => {
                    all.forbidden.insert(namespace.clone());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The names of all namespaces; `refused` if these may not be listed either, because that is the right to ask for.
    async fn all_namespaces(&self, refused: RequestError) -> Result<Vec<String>, RequestError> {
        match list::<Named>(&self.client, NAMESPACES, None, Filter::default()).await {
            Ok(namespaces) => Ok(namespaces
                .into_iter()
                .map(|namespace| namespace.metadata.name)
                .collect()),
            Err(error) if error.is_forbidden() => Err(refused),
            Err(error) => Err(error),
        }
    }

    /// The namespaces with the config map that every Argo CD has.
    async fn holders_of_config(&self, all: &mut Deployments) -> Result<Vec<String>, RequestError> {
        let selector = format!("metadata.name={CONFIG_MAP}");
        let filter = Filter {
            fields: Some(&selector),
            ..Filter::default()
        };
        let everywhere;
        let namespaces = match &self.namespaces {
            Some(namespaces) => namespaces,
            None => match list::<Named>(&self.client, CONFIG_MAPS, None, filter).await {
                Ok(maps) => {
                    let holders: BTreeSet<_> = maps.into_iter().map(|map| map.metadata.namespace).collect();
                    return Ok(holders.into_iter().collect());
                }
                Err(refused) if refused.is_forbidden() => {
                    everywhere = self.all_namespaces(refused).await?;
                    &everywhere
                }
                Err(error) => return Err(error),
            },
        };
        let mut holders = Vec::new();
        for namespace in namespaces {
            match get::<Named>(&self.client, CONFIG_MAPS, namespace, CONFIG_MAP).await {
                Ok(Some(_)) => holders.push(namespace.clone()),
                Ok(None) => {}
                Err(error) if error.is_forbidden() => {
                    all.forbidden.insert(namespace.clone());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(holders)
    }

    async fn look_around(&self, server: &Deployment) -> Result<Result<FoundArgoCd, Skipped>, RequestError> {
        let (client, namespace) = (&self.client, server.namespace.as_str());
        let mut around = Surroundings::default();
        match get::<ServiceObject>(client, SERVICES, namespace, &server.name).await {
            Ok(Some(service)) => around.service = Some(service.into()),
            Ok(None) => return Ok(describe(server, &around)),
            Err(error) if error.is_forbidden() => {
                return Ok(Err(Skipped::new(server, SkipReason::ServiceForbidden)));
            }
            Err(error) => return Err(error),
        }
        let unread = &mut around.unread;
        let map = |name| get::<ConfigMapObject>(client, CONFIG_MAPS, namespace, name);
        if let Some(map) = allowed(map(PARAMETERS_CONFIG_MAP).await, Unread::Parameters, unread)?.flatten() {
            around.parameters = map.data;
        }
        if let Some(map) = allowed(map(CONFIG_MAP).await, Unread::Config, unread)?.flatten() {
            around.config = map.data;
        }
        let ingresses = list::<IngressObject>(client, INGRESSES, Some(namespace), Filter::default()).await;
        let ingresses = allowed(ingresses, Unread::Ingresses, unread)?.unwrap_or_default();
        around.routes.extend(ingresses.into_iter().map(Into::into));
        let routes = list::<HttpRouteObject>(client, HTTP_ROUTES, Some(namespace), Filter::default()).await;
        let routes = allowed(routes, Unread::HttpRoutes, unread)?.unwrap_or_default();
        around.routes.extend(routes.into_iter().map(Into::into));
        for resource in OPERATOR {
            let operators = list::<Named>(client, resource, Some(namespace), Filter::default()).await;
            if let Some(operators) = allowed(operators, Unread::Operator, unread)? {
                around.operator_managed = !operators.is_empty();
                break;
            }
        }
        Ok(describe(server, &around))
    }
}

/// What was read; `None` where the cluster has no such kind, or where it may not be read, which is noted.
fn allowed<T>(
    answer: Result<T, RequestError>,
    what: Unread,
    unread: &mut Vec<Unread>,
) -> Result<Option<T>, RequestError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) if error.is_forbidden() => {
            if !unread.contains(&what) {
                unread.push(what);
            }
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

const NAMESPACES: Resource = Resource::new("/api/v1", "namespaces");
const SERVICES: Resource = Resource::new("/api/v1", "services");
const CONFIG_MAPS: Resource = Resource::new("/api/v1", "configmaps");
const DEPLOYMENTS: Resource = Resource::new("/apis/apps/v1", "deployments");
const INGRESSES: Resource = Resource::new("/apis/networking.k8s.io/v1", "ingresses");
const HTTP_ROUTES: Resource = Resource::new("/apis/gateway.networking.k8s.io/v1", "httproutes");
/// Newer and older operators.
const OPERATOR: [Resource; 2] = [
    Resource::new("/apis/argoproj.io/v1beta1", "argocds"),
    Resource::new("/apis/argoproj.io/v1alpha1", "argocds"),
];
