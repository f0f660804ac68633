//! The rows.

/// The test of each row, and how `docs/rules.md` names the row.
pub(crate) const ROWS: [(&str, &str); 23] = [
    ("new_issue", "a new issue"),
    ("issue_delivered_again_nothing_new", "an issue delivered again, nothing new"),
    ("issue_not_in_the_delivery", "an issue that is not in the delivery"),
    ("local_edit_of_a_partner_owned_field", "you edited a field the partner owns"),
    ("export_that_has_not_caught_up", "the partner's export has not caught up with your answer"),
    ("both_sides_changed", "both sides changed a `two_way` field"),
    ("remote_value_vanished", "the partner emptied a field"),
    ("local_value_cleared", "you emptied a field you own"),
    ("status_not_in_the_table", "a status without a row in the table"),
    ("closed_issue_behind_a_gate", "closed issues behind a gate with `stops = [\"in\"]`"),
    ("labels_with_blanks", "a value the tracker refuses"),
    ("attachments_known_by_name_new_content", "a file that is known, with new content"),
    ("document_named_but_missing_in_the_zip", "a document named but not in the archive"),
    ("attachments_out", "a file for the partner"),
    ("messages_two_deleted_at_once", "two comments deleted at once"),
    ("local_issue_deleted", "the local issue was deleted"),
    ("two_packages_for_one_issue_in_one_run", "two packages about one issue in one run"),
    ("two_zips_in_one_package", "two archives in one package"),
    ("wrong_routing_code", "a foreign routing code"),
    ("issue_that_cannot_be_written", "an issue that cannot be written"),
    ("dry_run", "a dry run"),
    ("late_or_same_second_package", "a package that comes late, or of the same second"),
    ("dates", "times without a zone"),
];
