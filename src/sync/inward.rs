//! From the partner to the local tracker: one function per kind of rule.

mod files;

use super::conflict::{self, Conflict};
use super::frame;
use super::map::ValueMap;
use super::plan::{Change, Decision, Held, InPlan, Side, Sides};
use super::rule::{Allowed, Comments, Concat, Fill, Kind, Rule, Tag, ToLocal};
use super::{SUPERSEDED, two_way};
use crate::Finding;
use crate::issue::{Comment, Digest, Value};

/// What a delivered issue does to the local tracker. Pure.
#[must_use]
pub fn plan_in(rules: &[Rule], sides: &Sides<'_>) -> Decision<InPlan> {
    if let Some(gate) = frame::stopped(rules, sides, |stops| stops.inward) {
        return Decision::Skip(gate.name.clone());
    }
    let mut plan = InPlan { create: sides.making, ..InPlan::default() };
    if sides.stale {
        let text = format!("{}: an older document than the one applied before", sides.remote.id);
        plan.findings.push(Finding::warning(SUPERSEDED, text));
    }
    for rule in frame::firing(rules, sides) {
        let mut step = Step { rule, sides, plan: &mut plan };
        match &rule.kind {
            Kind::Attachments(files) => files::take(&mut step, files),
            Kind::Comments(comments) => step.comments(comments),
            _ if sides.stale => {}
            Kind::ToLocal(to_local) => step.copy(to_local),
            Kind::FillLocal(fill) => step.fill_local(fill),
            Kind::TwoWay(rule) => two_way::inward(step.rule, rule, sides, step.plan),
            Kind::ConcatToLocal(concat) => step.concat_to_local(concat),
            Kind::TagLocal(tag) => step.tag_local(tag),
            Kind::FieldToComment(rule) => step.field_to_comment(&rule.remote, &rule.headline),
            Kind::DefaultComment(default) => step.default_comment(&default.text),
            Kind::Gate(_)
            | Kind::ToRemote(_)
            | Kind::FillRemote(_)
            | Kind::Envelope(_)
            | Kind::TableToRemote(_) => {}
        }
    }
    Decision::Do(plan)
}

/// Whether a plan under these rules asks which values a field takes.
#[must_use]
pub fn asks_values(rules: &[Rule]) -> bool {
    let asks = |rule: &Rule| matches!(&rule.kind, Kind::FillLocal(fill) if fill.remote.is_some() && fill.default.is_some());
    rules.iter().any(asks)
}

/// One rule at work.
struct Step<'a, 'b> {
    rule: &'a Rule,
    sides: &'a Sides<'b>,
    plan: &'a mut InPlan,
}

impl Step<'_, '_> {
    fn remote(&self, field: &str) -> String {
        self.sides.remote.fields.text(field)
    }

    /// The local value of a remote one; `None` when the field is held.
    fn translate(
        &mut self,
        local: &str,
        value: &str,
        map: Option<&ValueMap>,
        default: Option<&str>,
    ) -> Option<String> {
        let Some(map) = map else { return Some(value.to_owned()) };
        let default = default.filter(|_| !map.is_of_users());
        if let Some(mapped) = map.local(value).or(default) {
            return Some(mapped.to_owned());
        }
        let text = format!(
            "{value:?} has no entry in the map of {}; the map knows {}",
            self.rule.name,
            map.remotes().collect::<Vec<_>>().join(", ")
        );
        let held = Held::new(local, &self.rule.name, map.unmapped(), text, &[value]);
        self.plan.held.push(held);
        None
    }

    /// Wants a local field to hold `value`, unless it does or the tracker has already been told.
    fn want(&mut self, field: &str, value: Option<Value>) {
        let value = self.shaped(field, value);
        let now = self.plan.value(self.sides, field).cloned();
        let told = self.sides.base.is_some_and(|base| {
            base.wanted.get(field) == Some(&value) && base.local.get(field) == now.as_ref()
        });
        if now != value && !told {
            let overwrote = self
                .sides
                .base
                .is_some_and(|base| now.is_some() && base.local.get(field) != now.as_ref());
            self.plan.changes.push(Change {
                side: Side::Local,
                field: field.to_owned(),
                from: now,
                to: value.clone(),
                rule: self.rule.name.clone(),
                overwrote,
                cut: false,
            });
        }
        self.plan.wanted.insert(field.to_owned(), value);
    }

    /// Wants a field that is the partner's to hold `value`. What somebody typed before the delivery
    /// gives way, and stays in the journal; what they typed while it was being written, nobody has
    /// seen yet: that is a conflict, and the field waits for a person.
    fn overwrite(&mut self, field: &str, remote_field: &str, value: Option<Value>) {
        let value = self.shaped(field, value);
        let now = self.plan.value(self.sides, field).cloned();
        let open = self.sides.open.iter().find(|open| open.conflict.field == field);
        if open.is_none() && (now == value || !self.sides.edited.contains(field)) {
            return self.want(field, value);
        }
        match open {
            Some(open) if now == value => self.plan.superseded.push(open.id),
            Some(open) => {
                let now = Conflict { local: now, remote: value, ..open.conflict.clone() };
                if now != open.conflict {
                    self.plan.reopened.push((open.id, now));
                }
            }
            None => self.plan.conflicts.push(Conflict {
                field: field.to_owned(),
                remote_field: remote_field.to_owned(),
                rule: self.rule.name.clone(),
                kind: conflict::Kind::BothChanged,
                base: self.sides.base.and_then(|base| base.local.get(field)).cloned(),
                local: now,
                remote: value,
                policy: conflict::Policy::Manual.as_str().to_owned(),
                decision: None,
            }),
        }
    }

    /// A text for a list field is a list of one.
    fn shaped(&self, field: &str, value: Option<Value>) -> Option<Value> {
        let list = self.sides.schema.field(field).is_some_and(|spec| spec.list);
        match value {
            Some(Value::Text(text)) if list => Value::list(vec![text]),
            other => other,
        }
    }

    fn copy(&mut self, rule: &ToLocal) {
        let value = self.remote(&rule.remote);
        if value.is_empty() {
            if self.plan.create {
                if let Some(default) = &rule.default {
                    self.want(&rule.local, Value::text(default));
                }
            } else if rule.clear {
                self.overwrite(&rule.local, &rule.remote, None);
            } else if self.sides.delivered(&rule.remote).is_some() {
                self.plan.emptied(&rule.remote, &rule.local);
            }
            return;
        }
        let default = rule.default.as_deref();
        if let Some(value) = self.translate(&rule.local, &value, rule.map.as_ref(), default) {
            let value = dress(&value, &rule.prefix, rule.allowed.as_ref());
            self.overwrite(&rule.local, &rule.remote, Value::text(value));
        }
    }

    fn fill_local(&mut self, rule: &Fill) {
        let now = self.plan.value(self.sides, &rule.local).map(|value| value.joined(", "));
        let unset = match &now {
            None => true,
            Some(value) => rule.unset_value.as_ref() == Some(value),
        };
        let unknown = self.sides.local.is_some_and(|local| local.unknown.contains(&rule.local));
        if !unset || unknown {
            return;
        }
        let value = rule.remote.as_ref().map(|field| self.remote(field)).unwrap_or_default();
        let mut value = if value.is_empty() {
            rule.default.clone()
        } else {
            let default = rule.default.as_deref();
            self.translate(&rule.local, &value, rule.map.as_ref(), default)
                .map(|value| dress(&value, &rule.prefix, rule.allowed.as_ref()))
        };
        let allowed = self.sides.schema.field(&rule.local).and_then(|spec| spec.allowed);
        if let (Some(allowed), Some(text)) = (allowed, &value)
            && !allowed.contains(text)
            && rule.default.is_some()
        {
            value.clone_from(&rule.default);
        }
        if let Some(value) = value.filter(|value| now.as_ref() != Some(value)) {
            self.want(&rule.local, Value::text(value));
        }
    }

    fn concat_to_local(&mut self, rule: &Concat) {
        let mut blocks = Vec::new();
        for field in &rule.remotes {
            let value = self.remote(field);
            let value = value.trim_matches(['\n', '\r']);
            if value.trim().is_empty() {
                continue;
            }
            let map = rule.values.get(field);
            let value = map.and_then(|map| map.local(value)).unwrap_or(value);
            if rule.headings {
                let name = rule.names.get(field).map_or(field.as_str(), String::as_str);
                let (prefix, suffix) = (&rule.heading_prefix, &rule.heading_suffix);
                blocks.push(format!("{prefix}{name}{suffix}{value}"));
            } else {
                blocks.push(value.to_owned());
            }
        }
        if blocks.is_empty() {
            return;
        }
        let remote = rule.remotes.first().map(String::as_str).unwrap_or_default();
        self.overwrite(&rule.local, remote, Value::text(blocks.join(&rule.delimiter)));
    }

    fn tag_local(&mut self, rule: &Tag) {
        let remote = self.sides.remote.fields.get(&rule.remote).cloned();
        let mut tags = Vec::new();
        for item in remote.iter().flat_map(|value| value.items()).filter(|item| !item.is_empty()) {
            let Some(tag) = self.translate(&rule.local, item, rule.map.as_ref(), None) else {
                return;
            };
            tags.push(dress(&tag, &rule.prefix, rule.allowed.as_ref()));
        }
        let now = self.plan.value(self.sides, &rule.local).cloned();
        let now: Vec<String> = now.map(|value| value.items().to_vec()).unwrap_or_default();
        let (mut own, others): (Vec<_>, Vec<_>) =
            now.into_iter().partition(|tag| tag.starts_with(&rule.prefix));
        own.sort();
        tags.sort();
        tags.dedup();
        if own == tags {
            return;
        }
        let mut all = others;
        all.extend(tags);
        all.sort();
        all.dedup();
        self.want(&rule.local, Value::list(all));
    }

    fn comments(&mut self, rule: &Comments) {
        if !rule.inward {
            return;
        }
        for comment in &self.sides.remote.comments {
            let known = self.sides.base.map(|base| &base.comments_in);
            let key = comment_key(comment);
            let planned = self.plan.comments.iter().any(|(other, _)| *other == key);
            if !planned && !known.is_some_and(|known| known.contains_key(&key)) {
                self.plan.comments.push((key, comment.clone()));
            }
        }
    }

    fn field_to_comment(&mut self, field: &str, headline: &str) {
        let value = self.remote(field);
        let before = self.sides.delivered(field).map(Value::to_string).unwrap_or_default();
        if value.is_empty() || value == before {
            return;
        }
        let text = format!("{headline}\n\n{value}");
        self.add_comment(&format!("field {field} {value}"), text);
    }

    fn default_comment(&mut self, text: &str) {
        let none = self.sides.local.is_none_or(|local| local.comments.is_empty());
        if none && self.plan.comments.is_empty() {
            self.add_comment("default", text.to_owned());
        }
    }

    fn add_comment(&mut self, key: &str, text: String) {
        let revision = self.sides.base.map_or(0, |base| base.comments_in.len());
        let key = format!("{MADE}{}", Digest::of(format!("{revision} {key}").as_bytes()));
        let comment =
            Comment { id: String::new(), author: None, created: None, updated: None, text };
        self.plan.comments.push((key, comment));
    }
}

/// Under what a comment that a rule made is remembered begins.
pub(super) const MADE: &str = "made:";

/// Under what a partner's comment is remembered: its id, else a digest of what it says.
fn comment_key(comment: &Comment) -> String {
    if !comment.id.is_empty() {
        return comment.id.clone();
    }
    let author = comment.author.as_ref().map_or("", |author| author.id.as_str());
    let created = comment.created.map(|at| at.to_rfc3339()).unwrap_or_default();
    let text = comment.text.split_whitespace().collect::<Vec<_>>().join(" ");
    Digest::of([author, &created, &text].join("\u{1f}").as_bytes()).to_string()
}

fn dress(value: &str, prefix: &str, allowed: Option<&Allowed>) -> String {
    let dressed = format!("{prefix}{value}");
    allowed.map_or_else(|| dressed.clone(), |allowed| allowed.apply(&dressed))
}
