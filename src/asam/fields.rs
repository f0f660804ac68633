//! The field names that rules can use.

use super::vocabulary::{
    ACTION_POINTS, ANALYSIS_COMMENTS, COMPONENT_NAME, COMPONENTS, ISSUE, Item, OBJECTS, OWNER,
    OWNER_ID, PROBLEM_NUMBER, PROJECT_ID, RELEASE_WANTED, SEVERITY,
};

/// Supplier fields that an answer takes from elsewhere than an element of its own.
const SUPPLIER: &[&str] = &["supplier_company_id", "assignee_key", "assignee_name", "updated"];

/// Whether the profile knows a partner's or supplier's field of this name: those of the
/// vocabulary, numbered components (`pudis_sw_version_1`), `eo.CATEGORY` for engineering objects
/// of other categories, and `desc.TAG` for the tagged paragraphs of version 2.1.0.
#[must_use]
pub fn is_known_field(field: &str) -> bool {
    let single = [
        ACTION_POINTS,
        ANALYSIS_COMMENTS,
        OWNER,
        OWNER_ID,
        PROBLEM_NUMBER,
        PROJECT_ID,
        RELEASE_WANTED,
        SEVERITY,
    ];
    let numbered = |prefix: &str| {
        let number = field.strip_prefix(prefix);
        number.is_some_and(|n| !n.is_empty() && n.bytes().all(|digit| digit.is_ascii_digit()))
    };
    single.contains(&field)
        || SUPPLIER.contains(&field)
        || OBJECTS.iter().any(|(_, name, _)| *name == field)
        || numbered(COMPONENT_NAME)
        || COMPONENTS.iter().any(|(_, prefix)| numbered(prefix))
        || field.strip_prefix("eo.").is_some_and(|category| !category.is_empty())
        || field.strip_prefix("desc.").is_some_and(|tag| !tag.is_empty())
        || names(ISSUE, field)
}

fn names(items: &[Item], field: &str) -> bool {
    items.iter().any(|item| match item {
        Item::Group(_, items) => names(items, field),
        Item::Text(_, read, written) => [*read, *written].contains(&Some(field)),
        Item::Rich(_, name) | Item::Milestone(_, name) | Item::Solution(_, name) => *name == field,
        Item::Empty(_)
        | Item::Infos
        | Item::Updated
        | Item::Assignee
        | Item::Documents
        | Item::Objects
        | Item::Annotations => false,
    })
}

#[cfg(test)]
mod tests {
    use super::is_known_field;

    #[test]
    fn fields_are_known_by_name_number_and_category() {
        for field in [
            "problem_number",
            "crstatus",
            "supplier_status",
            "supplier_company_id",
            "vehicle",
            "pudis_sw_version_12",
            "eo.BASELINE",
            "desc.category-1",
            "resolved_in_release",
            "supplier_comments",
        ] {
            assert!(is_known_field(field), "{field}");
        }
        for field in ["summary", "pudis_sw_version_", "pudis_sw_version_x", "eo.", "desc.", ""] {
            assert!(!is_known_field(field), "{field}");
        }
    }
}
