//! Keeping a replica up to date: one task per session.

use std::sync::Arc;
use std::time::Duration;

use octopus_argo_core::health::octopus::{Connectivity, OctopusLink};
use octopus_argo_proto::v1::WatchRequest;
use octopus_argo_proto::watch;
use tonic::{Code, Status};

use crate::handle::Gateway;
use crate::registry::Registry;
use crate::replica::ArgoCd;
use crate::{GatewayId, Installation, ServerEvent};

/// How many known records one message names: well under the size of a chunk.
const KNOWN_PER_MESSAGE: usize = 1024;

/// How long to wait before asking again, when a gateway's inventory fails while its session lives.
const AGAIN_AFTER: Duration = Duration::from_secs(2);

/// How long to wait before asking a gateway again that has no inventory: it may be configured to have one later.
const WITHOUT_INVENTORY: Duration = Duration::from_secs(300);

/// Follows the inventory of a gateway for as long as the future is polled.
pub(crate) async fn follow(gateway: GatewayId, registry: Arc<Registry>) {
    let mut told = None;
    loop {
        let mut again_after = AGAIN_AFTER;
        match follow_once(&gateway, &registry, &mut told).await {
            Ok(()) => tracing::debug!(gateway.id = %gateway, "the inventory ended"),
            Err(status) => {
                if status.code() == Code::Unimplemented {
                    again_after = WITHOUT_INVENTORY;
                }
                tracing::debug!(gateway.id = %gateway, error = &status as &dyn std::error::Error, "inventory lost");
            }
        }
        tokio::time::sleep(again_after).await;
    }
}

async fn follow_once(
    gateway: &GatewayId,
    registry: &Arc<Registry>,
    told: &mut Option<ArgoCd>,
) -> Result<(), Status> {
    let replica = registry.replica(gateway);
    let known = replica.known();
    let messages: Vec<WatchRequest> = known
        .chunks(KNOWN_PER_MESSAGE)
        .map(|known| WatchRequest {
            known: known.to_vec(),
        })
        .collect();
    let handle = Gateway::new(gateway.clone(), registry.clone());
    let mut changes = watch(handle, tokio_stream::iter(messages)).await?;
    while let Some(batch) = changes.message().await? {
        let effect = replica.apply(batch.changes, &registry.scopes, gateway);
        let argo_cd = replica.argo_cd();
        if effect.changed && argo_cd.reachable.is_some() && told.as_ref() != Some(&argo_cd) {
            let health = Connectivity::Checked(OctopusLink::Up, argo_cd.probe).health();
            let installation = Installation {
                argo_cd_version: argo_cd.version.clone(),
                ..Installation::default()
            };
            registry.checked(gateway, health, installation);
            *told = Some(argo_cd);
        }
        if let Some(applications) = effect.completed {
            registry.tell(ServerEvent::InventoryComplete {
                gateway: gateway.clone(),
                applications,
            });
        } else if effect.changed {
            registry.tell(ServerEvent::InventoryChanged {
                gateway: gateway.clone(),
            });
        }
    }
    Ok(())
}
