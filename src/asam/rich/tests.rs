//! Rich text, by cases.
