//! Which element is which field: one table for reading and for writing.

/// One thing in an ISSUE element, in the order in which it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Item {
    /// An element with other elements in it.
    Group(&'static str, &'static [Item]),
    /// An element with one text: its name, the field it is read into, the field it is written
    /// from (the partner's state and ours stand in the same element).
    Text(&'static str, Option<&'static str>, Option<&'static str>),
    /// An element with rich text, read into and written from the field.
    Rich(&'static str, &'static str),
    /// An element that is always written, always empty.
    Empty(&'static str),
    /// COMPANY-ISSUE-INFOS: the number in each company's tracker.
    Infos,
    /// DATE: when the supplier's issue was updated last.
    Updated,
    /// TEAM-MEMBER-REF: who works on it.
    Assignee,
    /// DELIVERY-MILESTONE of a category, and the supplier field it is written from.
    Milestone(&'static str, &'static str),
    /// ISSUE-RELATED-DOCUMENT, one for each file.
    Documents,
    /// ENGINEERING-OBJECT, one for each field of [`OBJECTS`] that is set.
    Objects,
    /// ISSUE-SOLUTION of a category, and the supplier field its text is written from.
    Solution(&'static str, &'static str),
    /// ANNOTATION, one for each comment.
    Annotations,
}

pub(super) const PROBLEM_NUMBER: &str = "problem_number";
pub(super) const OWNER: &str = "owner_fp";
/// The id of the contact, for rules that translate users.
pub(super) const OWNER_ID: &str = "owner_id";
pub(super) const RELEASE_WANTED: &str = "release_wanted";
pub(super) const ACTION_POINTS: &str = "action_points";
pub(super) const ANALYSIS_COMMENTS: &str = "in_analyse_comments";
pub(super) const SEVERITY: &str = "severity";
pub(super) const PROJECT_ID: &str = "project_id";

/// The supplier fields of an answer that are written from elsewhere than the record.
pub(super) const SUPPLIER_STATUS: &str = "supplier_status";

/// The category of a milestone without one.
pub(super) const REQUESTED: &str = "REQUESTED";
/// The category of the solutions that are read.
pub(super) const PROPOSAL: &str = "PROPOSAL";

/// The children of ISSUE, in the order of the PFIFF profile.
pub(super) const ISSUE: &[Item] = &[
    Item::Text("LONG-NAME", Some("problem_synopsis"), Some("problem_synopsis")),
    Item::Text("SHORT-NAME", None, Some("problem_synopsis")),
    Item::Text("CATEGORY", Some("bug_classification"), Some("bug_classification")),
    Item::Rich("ISSUE-DESC", "problem_description"),
    Item::Infos,
    Item::Group(
        "ISSUE-PROPERTIES",
        &[
            Item::Group(
                "ISSUE-CURRENT-STATE",
                &[
                    Item::Updated,
                    Item::Assignee,
                    Item::Text("ISSUE-STATE", Some("crstatus"), Some(SUPPLIER_STATUS)),
                ],
            ),
            Item::Text("ISSUE-PRIORITY", Some("priority"), Some("priority")),
            Item::Text("ISSUE-SEVERITY", Some(SEVERITY), None),
            Item::Text("REPRODUCIBILITY", Some("reproducibility"), Some("reproducibility")),
            Item::Group(
                "DELIVERY-MILESTONES",
                &[
                    Item::Milestone("ESTIMATED", "resolve_until_release"),
                    Item::Milestone("DELIVERED", "resolved_in_release"),
                ],
            ),
        ],
    ),
    Item::Group("ISSUE-RELATED-DOCUMENTS", &[Item::Documents]),
    Item::Group("ISSUE-ENVIRONMENT", &[Item::Group("ENGINEERING-OBJECTS", &[Item::Objects])]),
    Item::Empty("RELATED-ISSUES"),
    Item::Group("ISSUE-SOLUTIONS", &[Item::Solution("ANALYSIS", "supplier_comments")]),
    Item::Group("ANNOTATIONS", &[Item::Annotations]),
];

/// Where the value of an engineering object stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// In SHORT-LABEL.
    Label,
    /// In REVISION-LABEL, beside the label [`ECU`].
    Revision,
}

/// The label of the supplier's own control unit.
pub(super) const ECU: &str = "ECU";

/// Categories of engineering objects and their fields, in the order in which they are written.
pub(super) const OBJECTS: &[(&str, &str, Value)] = &[
    ("COMPONENT", "component_name", Value::Label),
    ("DTC", "DTC", Value::Label),
    ("GROUP", "function_group", Value::Label),
    ("HARDWARE", "component_hw_version", Value::Revision),
    ("OFFER_ID", "offer_number", Value::Label),
    ("SODTC", "SODTC", Value::Label),
    ("SOFTWARE", "component_sw_version", Value::Revision),
    ("SUB_GROUP", "function_component", Value::Label),
    ("VEHICLE", "vehicle", Value::Label),
    ("COMMITTEE", "ccb_relevant", Value::Label),
    ("VARIANTS", "var_product_name", Value::Label),
    ("PROJECT", "vehicle_project", Value::Label),
    ("EXT_TEST_SYSTEM", "ets", Value::Label),
    ("EXT_TEST_ID", "ets_id", Value::Label),
    ("EXT_TEST_STATUS", "ets_status", Value::Label),
    ("ISSUE_REPORTER", "issue_reporter", Value::Label),
    ("TEST_CASE", "test_case", Value::Label),
    ("TRIAL_UNITS", "trial_units", Value::Label),
    ("V_FUNCTION", "v_function", Value::Label),
    ("EE_TOP_TOPIC", "ee_top_topic", Value::Label),
    ("ECU-PROJECT", "project_name", Value::Label),
    ("DTC-DESCRIPTION", "DTC_synopsis", Value::Label),
    ("DTC-FREQUENCY", "frequency", Value::Label),
];

/// Categories that are read as another one.
pub(super) const SAME_CATEGORY: &[(&str, &str)] = &[("TEST_BENCH", "VEHICLE")];

/// The fields of a component with another label than [`ECU`] ("PUDIS"), numbered from 1.
pub(super) const COMPONENTS: &[(&str, &str)] = &[
    ("HARDWARE", "pudis_hw_version_"),
    ("SOFTWARE", "pudis_sw_version_"),
    ("PARTNUMBER", "pudis_part_number_"),
];
/// The field of its label.
pub(super) const COMPONENT_NAME: &str = "pudis_component_name_";

/// The field of a category, and where its value stands.
pub(super) fn object_field(category: &str) -> Option<(&'static str, Value)> {
    let category =
        SAME_CATEGORY.iter().find(|(alias, _)| *alias == category).map_or(category, |(_, c)| c);
    OBJECTS.iter().find(|(known, ..)| *known == category).map(|(_, field, value)| (*field, *value))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_category_and_field_is_there_once() {
        let categories: BTreeSet<_> = OBJECTS.iter().map(|(category, ..)| category).collect();
        let fields: BTreeSet<_> = OBJECTS.iter().map(|(_, field, _)| field).collect();
        assert_eq!((OBJECTS.len(), categories.len(), fields.len()), (23, 23, 23));
        assert_eq!(object_field("TEST_BENCH"), object_field("VEHICLE"));
        assert_eq!(object_field("HARDWARE"), Some(("component_hw_version", Value::Revision)));
        assert_eq!(object_field("NONE"), None);
    }
}
