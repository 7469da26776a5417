//! Every application in one message.

use octopus_argo_proto::argocd::application::ApplicationQuery;
use octopus_argo_proto::argocd::k8s::meta::ListMeta;
use prost::encoding;
use tonic::Status;

use super::Api;
use super::exchange::{Messages, one};
use super::gate::Filter;
use crate::argocd::Presence;
use crate::argocd::accounts::Caller;
use crate::argocd::fleet::Record;

/// Everything in one message, sorted by name. No right is no error: an empty list.
///
/// Rule: Argo CD `server/application/application.go` (`List`).
pub(super) fn list(api: &Api, caller: &Caller, query: ApplicationQuery) -> Result<Messages, Status> {
    let filter = Filter::new(query).map_err(|error| Status::unknown(error.to_string()))?;
    let (records, version) = api.fleet.snapshot();
    let mut records: Vec<Record> = records
        .into_iter()
        .filter(|record| filter.matches(record) && api.may_see(caller, record))
        .collect();
    records.sort_by(|one, other| one.name().name().cmp(other.name().name()));
    if filter.name.is_some() {
        records.truncate(1);
    }

    // An `ApplicationList`, put together from messages that are already in bytes.
    let metadata = list_meta(api, version);
    let item = |record: &Record| record.stored().field_len(ITEMS);
    let length =
        encoding::message::encoded_len(METADATA, &metadata) + records.iter().map(item).sum::<usize>();
    api.fits(length)?;
    let mut bytes = Vec::with_capacity(length);
    encoding::message::encode(METADATA, &metadata, &mut bytes);
    for record in &records {
        record.stored().append_field(ITEMS, &mut bytes);
    }
    Ok(one(bytes.into()))
}

/// Numbers of the fields of `ApplicationList`.
const METADATA: u32 = 1;
const ITEMS: u32 = 2;

pub(super) fn list_meta(api: &Api, version: u64) -> ListMeta {
    let empty = (api.fleet.encoding().presence == Presence::Always).then(String::new);
    ListMeta {
        self_link: empty.clone(),
        resource_version: Some(version.to_string()),
        r#continue: empty,
        ..ListMeta::default()
    }
}

#[cfg(test)]
mod tests {
    use octopus_argo_proto::argocd::v1alpha1::{Application, ApplicationList};
    use prost::Message as _;

    use super::*;

    #[test]
    fn the_numbers_are_those_of_the_message() {
        let list = ApplicationList {
            metadata: Some(ListMeta {
                resource_version: Some("7".to_owned()),
                ..ListMeta::default()
            }),
            items: vec![Application::default(), Application::default()],
        };
        let mut bytes = Vec::new();
        encoding::message::encode(METADATA, list.metadata.as_ref().unwrap(), &mut bytes);
        for item in &list.items {
            encoding::bytes::encode(ITEMS, &item.encode_to_vec(), &mut bytes);
        }
        assert_eq!(ApplicationList::decode(bytes.as_slice()).unwrap(), list);
    }
}
