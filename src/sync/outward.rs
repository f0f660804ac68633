//! From the local tracker to the partner: one function per kind of rule.

use super::frame;
use super::map::ValueMap;
use super::plan::{Decision, Held, OutPlan, Sides};
use super::rule::{Kind, NoMatch, Rule, TableToRemote, ToRemote};
use super::table::Unknown;
use super::{NO_TABLE_ROW, UNMAPPED_VALUE, two_way};
use crate::issue::{Comment, Issue, Person, Value};
use crate::state::{Outgoing, OutgoingComment, OutgoingFile};

/// What the partner is to know of the local issue. Pure.
#[must_use]
pub fn plan_out(rules: &[Rule], sides: &Sides<'_>) -> Decision<OutPlan> {
    let Some(local) = sides.local else {
        return Decision::Skip("there is no local issue".to_owned());
    };
    if let Some(gate) = frame::stopped(rules, sides, |stops| stops.outward) {
        return Decision::Skip(gate.name.clone());
    }
    let nothing = Outgoing::default();
    let sent = sides.base.and_then(|base| base.sent.as_ref()).unwrap_or(&nothing);
    let mut plan = OutPlan::default();
    for rule in frame::firing(rules, sides) {
        let mut step = Step { rule, sides, local, sent, plan: &mut plan };
        let field = match &rule.kind {
            Kind::ToRemote(copied) | Kind::FillRemote(copied) if step.is_unknown(&copied.local) => {
                Some(step.say_no_more(&copied.remote))
            }
            Kind::ToRemote(to_remote) => step.copy(to_remote),
            Kind::FillRemote(fill) => step.fill_remote(fill),
            Kind::TableToRemote(table) => step.table_to_remote(table),
            Kind::Envelope(envelope) => {
                let value = local.fields.get(&envelope.local).cloned();
                plan.outgoing.envelope.set(envelope.remote.clone(), value);
                None
            }
            Kind::TwoWay(two_way) => {
                two_way::outward(rule, two_way, sides, step.plan);
                Some(two_way.remote.as_str())
            }
            Kind::Comments(comments) => {
                step.comments(comments.out_prefix.as_deref());
                None
            }
            Kind::Attachments(files) => {
                step.files(files.out_prefix.as_deref());
                None
            }
            _ => None,
        };
        if let Some(field) = field {
            plan.sources.insert(field.to_owned(), rule.name.clone());
        }
    }
    Decision::Do(plan)
}

struct Step<'a, 'b> {
    rule: &'a Rule,
    sides: &'a Sides<'b>,
    local: &'a Issue,
    sent: &'a Outgoing,
    plan: &'a mut OutPlan,
}

impl Step<'_, '_> {
    fn set(&mut self, field: &str, value: Option<Value>) {
        self.plan.outgoing.fields.set(field.to_owned(), value);
    }

    /// A held field goes on saying what was last sent.
    fn hold(&mut self, field: &str, held: Held) {
        let sent = self.sent.fields.get(field).cloned();
        self.set(field, sent);
        self.plan.held.push(held);
    }

    /// What the field holds is not known before the issue is made.
    fn is_unknown(&self, field: &str) -> bool {
        self.local.unknown.contains(field)
    }

    /// What is not known is not told, and what was said before still stands.
    fn say_no_more<'r>(&mut self, field: &'r str) -> &'r str {
        let sent = self.sent.fields.get(field).cloned();
        self.set(field, sent);
        field
    }

    fn copy<'r>(&mut self, rule: &'r ToRemote) -> Option<&'r str> {
        let mut items = Vec::new();
        for item in self.local.fields.get(&rule.local).iter().flat_map(|value| value.items()) {
            let mapped = match &rule.map {
                None => Some(item.as_str()),
                Some(map) if map.is_of_users() => map.remote(item),
                Some(map) => map.remote(item).or(rule.default.as_deref()),
            };
            let Some(mapped) = mapped else {
                let known = rule.map.iter().flat_map(|map| map.locals()).collect::<Vec<_>>();
                let text = format!(
                    "{item:?} of {} has no entry in the map of {}; the map knows {}",
                    rule.local,
                    self.rule.name,
                    known.join(", ")
                );
                let name = &self.rule.name;
                let code = rule.map.as_ref().map_or(UNMAPPED_VALUE, ValueMap::unmapped);
                let held = Held::new(&*rule.remote, name, code, text, &[item]);
                self.hold(&rule.remote, held);
                return Some(&rule.remote);
            };
            items.push(mapped.to_owned());
        }
        if items.is_empty() {
            items.extend(rule.default.clone());
        }
        self.set(&rule.remote, Value::text(items.join(&rule.join)));
        Some(&rule.remote)
    }

    fn fill_remote<'r>(&mut self, rule: &'r ToRemote) -> Option<&'r str> {
        if self.sides.remote.fields.get(&rule.remote).is_some() {
            // Taken over or set by the partner: what we said once still stands.
            let sent = self.sent.fields.get(&rule.remote).cloned();
            self.set(&rule.remote, sent);
            return Some(&rule.remote);
        }
        self.copy(rule)
    }

    fn table_to_remote<'r>(&mut self, rule: &'r TableToRemote) -> Option<&'r str> {
        let values: Vec<String> =
            rule.locals.iter().map(|field| self.local.fields.text(field)).collect();
        let known =
            |(field, value): (&String, &String)| (!self.is_unknown(field)).then(|| value.clone());
        let known: Vec<Option<String>> = rule.locals.iter().zip(&values).map(known).collect();
        let no_match = match &rule.no_match {
            NoMatch::Value(value) => Some(value.as_str()),
            NoMatch::Hold => None,
        };
        let decided = match rule.table.decide_partly(&known, no_match) {
            Err(Unknown) => return Some(self.say_no_more(&rule.remote)),
            Ok(Some(result)) => result.to_owned(),
            Ok(None) => {
                let pairs: Vec<String> = rule
                    .locals
                    .iter()
                    .zip(&values)
                    .map(|(field, value)| format!("{field} = {value:?}"))
                    .collect();
                let text = format!("no row of {} fits {}", self.rule.name, pairs.join(", "));
                let inputs: Vec<&str> = values.iter().map(String::as_str).collect();
                let name = &self.rule.name;
                let held = Held::new(&*rule.remote, name, NO_TABLE_ROW, text, &inputs);
                self.hold(&rule.remote, held);
                return Some(&rule.remote);
            }
        };
        self.set(&rule.remote, Value::text(decided));
        Some(&rule.remote)
    }

    fn comments(&mut self, prefix: Option<&str>) {
        let Some(prefix) = prefix else { return };
        let imported = |comment: &Comment| {
            self.sides
                .base
                .is_some_and(|base| base.comments_in.values().any(|id| *id == comment.id))
        };
        let mut out: Vec<OutgoingComment> = Vec::new();
        for comment in self.local.comments.iter().filter(|comment| !imported(comment)) {
            let Some(text) = comment.text.strip_prefix(prefix) else { continue };
            out.push(OutgoingComment {
                id: comment.id.clone(),
                author: comment
                    .author
                    .clone()
                    .unwrap_or(Person { id: "unknown".to_owned(), name: "unknown".to_owned() }),
                at: comment.updated.or(comment.created),
                text: text.trim_start().to_owned(),
            });
        }
        self.plan.outgoing.comments = out;
    }

    fn files(&mut self, prefix: Option<&str>) {
        let Some(prefix) = prefix else { return };
        let imported = |name: &str, sha256: &str| {
            self.sides.base.is_some_and(|base| base.is_imported(name, sha256))
        };
        let mut files = Vec::new();
        for file in self.local.attachments.iter().filter(|file| file.name.starts_with(prefix)) {
            let Some(digest) = file.known_digest() else { continue };
            let sha256 = digest.to_string();
            if !imported(&file.name, &sha256) {
                files.push(OutgoingFile { name: file.name.clone(), sha256 });
            }
        }
        self.plan.outgoing.files = files;
    }
}
