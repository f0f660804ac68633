//! Queries: AND, OR, parentheses, and the operators a synchroniser needs; as strict as Jira.

use serde_json::Value as Json;

use super::render;
use super::world::{FIELDS, Ticket, World};

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Mark(&'static str),
}

fn tokens(jql: &str) -> Result<Vec<Token>, String> {
    let chars: Vec<char> = jql.chars().collect();
    let mut found = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let c = chars[at];
        match c {
            ' ' => at += 1,
            '"' | '\'' => {
                let mut text = String::new();
                at += 1;
                while at < chars.len() && chars[at] != c {
                    if chars[at] == '\\' {
                        at += 1;
                    }
                    text.extend(chars.get(at));
                    at += 1;
                }
                if at >= chars.len() {
                    return Err(format!("The quoted string '{text}' has not been completed."));
                }
                at += 1;
                found.push(Token::Text(text));
            }
            '(' | ')' | ',' | '~' | '=' => {
                let marks = ["(", ")", ",", "~", "="];
                found.push(Token::Mark(marks["(),~=".find(c).unwrap()]));
                at += 1;
            }
            '>' | '<' if chars.get(at + 1) == Some(&'=') => {
                found.push(Token::Mark(if c == '>' { ">=" } else { "<=" }));
                at += 2;
            }
            _ => {
                let start = at;
                while at < chars.len()
                    && (chars[at].is_alphanumeric() || "._[]-".contains(chars[at]))
                {
                    at += 1;
                }
                if at == start {
                    return Err(format!("Error in the JQL Query: '{c}' is reserved."));
                }
                found.push(Token::Word(chars[start..at].iter().collect()));
            }
        }
    }
    Ok(found)
}

struct Parser<'a> {
    tokens: Vec<Token>,
    at: usize,
    world: &'a World,
    validate: bool,
}

type Test = Box<dyn Fn(&World, &Ticket) -> bool>;

/// The tickets the search finds, in its order.
pub fn search(world: &World, jql: &str, validate: bool) -> Result<Vec<Ticket>, String> {
    let lower = jql.to_lowercase();
    let (clause, order) = match lower.rfind("order by") {
        Some(at) => (&jql[..at], jql[at + 8..].trim().to_owned()),
        None => (jql, String::new()),
    };
    let mut parser = Parser { tokens: tokens(clause)?, at: 0, world, validate };
    let test = parser.or()?;
    if parser.at < parser.tokens.len() {
        return Err(format!("Error in the JQL Query near {:?}", parser.tokens[parser.at]));
    }
    let mut found: Vec<Ticket> =
        world.index.values().filter(|ticket| test(world, ticket)).cloned().collect();
    let number = |ticket: &Ticket| ticket.id;
    if order.to_lowercase().starts_with("updated") {
        found.sort_by_key(|ticket| (ticket.updated, number(ticket)));
    }
    if ["key desc", "created desc"].contains(&order.to_lowercase().as_str()) {
        found.sort_by_key(|ticket| std::cmp::Reverse(number(ticket)));
    }
    Ok(found)
}

impl Parser<'_> {
    fn word(&self, word: &str) -> bool {
        matches!(self.tokens.get(self.at), Some(Token::Word(w)) if w.eq_ignore_ascii_case(word))
    }

    fn mark(&self, mark: &str) -> bool {
        matches!(self.tokens.get(self.at), Some(Token::Mark(m)) if *m == mark)
    }

    fn eat(&mut self, yes: bool) -> bool {
        self.at += usize::from(yes);
        yes
    }

    fn or(&mut self) -> Result<Test, String> {
        let mut left = self.and()?;
        while self.eat(self.word("or")) {
            if self.world.and_only {
                return Err("Error in the JQL Query: only AND is supported".into());
            }
            let right = self.and()?;
            left = Box::new(move |world, ticket| left(world, ticket) || right(world, ticket));
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<Test, String> {
        let mut left = self.atom()?;
        while self.eat(self.word("and")) {
            let right = self.atom()?;
            left = Box::new(move |world, ticket| left(world, ticket) && right(world, ticket));
        }
        Ok(left)
    }

    fn value(&mut self) -> Result<String, String> {
        let value = match self.tokens.get(self.at) {
            Some(Token::Word(text) | Token::Text(text)) => text.clone(),
            other => return Err(format!("Error in the JQL Query: value expected, not {other:?}")),
        };
        self.at += 1;
        Ok(value)
    }

    fn atom(&mut self) -> Result<Test, String> {
        if self.eat(self.mark("(")) {
            let inner = self.or()?;
            return if self.eat(self.mark(")")) { Ok(inner) } else { Err("')' expected".into()) };
        }
        let field = self.value()?;
        if self.eat(self.mark("~")) {
            let text = self.value()?;
            return self.contains(&field, &text);
        }
        if self.eat(self.mark(">=")) {
            let value = self.value()?;
            if field != "updated" {
                return Err(format!("The operator '>=' is not supported by '{field}'."));
            }
            let millis: i64 = value
                .parse()
                .map_err(|_| format!("Date value '{value}' for 'updated' is invalid"))?;
            return Ok(Box::new(move |_, ticket| ticket.updated * 1000 >= millis));
        }
        if self.eat(self.word("is")) {
            let not = self.eat(self.word("not"));
            let _ = self.eat(self.word("empty"));
            let id = self.id(&field)?;
            return Ok(Box::new(move |_, t| {
                let set = t.fields.get(id).is_some_and(|v| !v.is_null() && *v != "");
                set == not
            }));
        }
        let mut values = Vec::new();
        if self.eat(self.mark("=")) {
            values.push(self.value()?);
        } else if self.eat(self.word("in")) && self.eat(self.mark("(")) {
            loop {
                values.push(self.value()?);
                if !self.eat(self.mark(",")) {
                    break;
                }
            }
            if !self.eat(self.mark(")")) {
                return Err("')' expected".into());
            }
        } else {
            return Err(format!("Error in the JQL Query: operator expected after '{field}'"));
        }
        self.one_of(&field, values)
    }

    fn id(&self, name: &str) -> Result<&'static str, String> {
        let number = name.strip_prefix("cf[").and_then(|rest| rest.strip_suffix(']'));
        let named = |id: &str, field: &str| {
            number.map_or(id == name || field.eq_ignore_ascii_case(name), |n| {
                id == format!("customfield_{n}")
            })
        };
        FIELDS.iter().find(|def| named(def.id, def.name)).map(|def| def.id).ok_or_else(|| {
            format!("Field '{name}' does not exist or you do not have permission to view it.")
        })
    }

    /// A text search: the words of the phrase, one after the other, in any case.
    fn contains(&self, field: &str, text: &str) -> Result<Test, String> {
        let id = self.id(field)?;
        let phrase = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        let special = |c: char| "+-&|!(){}[]^~*?\\:/".contains(c);
        if phrase.is_none() && text.contains(special) {
            return Err(format!("The text query '{text}' for field '{field}' is not valid."));
        }
        let text = phrase.unwrap_or(text).replace("\\\"", "\"").replace("\\\\", "\\");
        let wanted = words(&text);
        Ok(Box::new(move |world, ticket| {
            let have = ticket.fields.get(id).map(|value| render::plain(world, value));
            let have = words(&have.unwrap_or_default());
            !wanted.is_empty() && have.windows(wanted.len()).any(|window| window == wanted)
        }))
    }

    fn one_of(&self, field: &str, values: Vec<String>) -> Result<Test, String> {
        match field {
            "project" => Ok(Box::new(move |world, _| values.contains(&world.project))),
            "key" | "issuekey" => {
                let unknown = values.iter().find(|key| self.world.find(key).is_none());
                if let Some(key) = unknown.filter(|_| self.validate) {
                    return Err(format!(
                        "An issue with key '{key}' does not exist for field 'key'."
                    ));
                }
                Ok(Box::new(move |_, ticket| values.contains(&ticket.key)))
            }
            "issue.property[engsync].marker" => {
                if !self.world.property_search {
                    return Err(format!("Field '{field}' does not exist."));
                }
                Ok(Box::new(move |_, ticket| {
                    let marker = ticket.properties.get("engsync").map(|p| &p["marker"]);
                    marker.and_then(Json::as_str).is_some_and(|m| values.iter().any(|v| v == m))
                }))
            }
            _ => {
                let id = self.id(field)?;
                if World::def(id).is_some_and(|def| def.kind == "string") {
                    return Err(format!(
                        "The operator '=' is not supported by the '{field}' field."
                    ));
                }
                let ids = render::ids(id);
                Ok(Box::new(move |_, ticket| {
                    let have = ticket.fields.get(id).and_then(Json::as_str).unwrap_or_default();
                    values.iter().any(|v| v == have || ids(have) == *v)
                }))
            }
        }
    }
}

fn words(text: &str) -> Vec<String> {
    let lower = text.to_lowercase();
    let parts = lower.split(|c: char| !(c.is_alphanumeric() || c == '_'));
    parts.filter(|word| !word.is_empty()).map(str::to_owned).collect()
}
