//! What every store of instances has to do, held against each that there is.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test that cannot go on has failed, and says what it saw"
)]

mod conformance;
#[cfg(feature = "sqlite")]
mod kill;
mod races;
#[cfg(feature = "sqlite")]
mod sqlite;
mod support;

/// One test a rule, against a store that `$open` makes, or none where that says so. What it gives beside the store lives
/// as long as the test.
macro_rules! conformance {
    ($name:ident, $open:expr) => {
        mod $name {
            use super::*;

            conformance! { @tests $open;
                conformance::a_new_store_has_the_default_space_and_nothing_else;
                conformance::what_is_registered_is_read_as_it_was_given;
                conformance::ids_count_up_and_are_not_given_twice;
                conformance::a_registration_that_is_refused_changes_nothing;
                conformance::names_are_unique_in_their_space_without_regard_to_case;
                conformance::a_registration_in_another_space_renews_the_token;
                conformance::a_registration_in_another_space_preserves_the_token;
                conformance::there_must_be_a_token_to_preserve;
                conformance::the_last_record_takes_the_credential_with_it;
                conformance::what_is_not_mentioned_stays;
                conformance::a_change_that_is_refused_changes_nothing;
                conformance::lists_are_filtered_and_cut;
                conformance::a_filter_is_no_pattern;
                conformance::a_rotated_token_has_an_overlap_or_none;
                conformance::revoking_takes_every_token;
                conformance::what_is_seen_is_kept_for_all_records;
                conformance::what_is_older_changes_nothing;
                conformance::spaces_come_and_go;
                races::one_name_is_given_once;
                races::a_gateway_gets_one_record_in_a_space;
                races::a_gateway_in_many_spaces_has_one_token;
                races::two_records_do_not_take_one_name;
                races::deleting_the_last_record_and_registering_another;
                races::a_space_is_removed_or_used;
            }
        }
    };
    (@tests $open:expr; $($module:ident::$case:ident;)+) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
        async fn $case() {
            let Some((store, kept)) = $open.await else { return };
            support::soon($module::$case(store)).await;
            support::Kept::end(kept).await;
        }
    )+};
}

conformance!(memory, support::memory());
#[cfg(feature = "sqlite")]
conformance!(sqlite_file, support::sqlite());
#[cfg(feature = "postgres")]
conformance!(postgres, support::postgres());
