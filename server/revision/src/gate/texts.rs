//! Cures that name what does not exist or take one kind of thing for another: a text where a
//! function takes bytes, a page that nobody has shown, a variable of a comprehension outside of it.
//! Each runs into an error at the first call, which no checker of weaknesses sees.

use std::collections::HashSet;
use std::ops::Range;

use syntax::{Language, Node, NodeNames};

use super::Rejection;
use super::tree::{Call, Side, last};

/// Functions of Python that take bytes, with the places and the names of those arguments.
const TAKES_BYTES: &[(&str, &[usize], &[&str])] = &[
    ("hmac.new", &[0, 1], &["key", "msg"]),
    ("hmac.digest", &[0, 1], &["key", "msg"]),
    ("hashlib.pbkdf2_hmac", &[1, 2], &["password", "salt"]),
    ("hashlib.scrypt", &[0], &["password", "salt"]),
    ("hashlib.new", &[1], &["data"]),
    ("hashlib.md5", &[0], &["string"]),
    ("hashlib.sha1", &[0], &["string"]),
    ("hashlib.sha256", &[0], &["string"]),
    ("hashlib.sha384", &[0], &["string"]),
    ("hashlib.sha512", &[0], &["string"]),
    ("hashlib.blake2b", &[0], &["data", "key", "salt"]),
    ("bcrypt.hashpw", &[0, 1], &["password", "salt"]),
    ("bcrypt.checkpw", &[0, 1], &["password", "hashed_password"]),
    ("base64.b64encode", &[0], &["s"]),
    ("base64.urlsafe_b64encode", &[0], &["s"]),
];

/// Functions that look for a template by its name.
const PAGES: &[&str] = &[
    "TemplateResponse",
    "get_template",
    "render_template",
    "render_to_string",
    "select_template",
];

/// Refuses what only the text afterwards does.
///
/// # Errors
/// The first such thing.
pub(super) fn check(
    before: &Side<'_>,
    after: &Side<'_>,
    region: &(Range<usize>, Range<usize>),
) -> Result<(), Rejection> {
    if after.language != Language::Python {
        return Ok(());
    }
    let texts = texts(before, &region.0);
    let bound = assigned(after, &region.1);
    for call in after.calls(&region.1) {
        if let Some(name) = text_for_bytes(after, &call, &texts, &bound) {
            return Err(Rejection::Text {
                name: name.to_owned(),
                call: call.name,
            });
        }
        if let Some(page) = strange_page(before, after, &call) {
            return Err(Rejection::Page {
                name: page.to_owned(),
            });
        }
    }
    Ok(())
}

/// Names that hold a text: a parameter that says so, and what is encoded, by itself or as part of a
/// sum.
fn texts<'a>(side: &Side<'a>, region: &Range<usize>) -> HashSet<&'a str> {
    let mut out = HashSet::new();
    side.within(region, |node| match node.kind_name() {
        "typed_parameter" => {
            let kind = node.field("type").map(|it| side.of(it));
            if let (Some("str"), Some(name)) = (kind, node.named_child(0)) {
                out.insert(side.of(name));
            }
        }
        "call" => {
            let callee = node.field("function");
            let method = callee.and_then(|it| it.field("attribute"));
            let object = callee.and_then(|it| it.field("object"));
            if let (Some(method), Some(object)) = (method, object)
                && side.of(method) == "encode"
            {
                summands(side, object, &mut out);
            }
        }
        _ => {}
    });
    out
}

/// The names that a sum is made of.
fn summands<'a>(side: &Side<'a>, sum: Node<'_>, out: &mut HashSet<&'a str>) {
    const MOST: usize = 64;
    let mut open = vec![sum];
    let mut seen = 0;
    while let Some(node) = open.pop() {
        seen += 1;
        if seen > MOST {
            return;
        }
        match node.kind_name() {
            "identifier" => {
                out.insert(side.of(node));
            }
            "parenthesized_expression" => open.extend(node.named_child(0)),
            "binary_operator" => {
                let plus = node.field("operator");
                if plus.is_some_and(|it| side.of(it) == "+") {
                    open.extend(node.field("left"));
                    open.extend(node.field("right"));
                }
            }
            _ => {}
        }
    }
}

/// Names that get a value within a range: what they held before says nothing of them.
fn assigned<'a>(side: &Side<'a>, region: &Range<usize>) -> HashSet<&'a str> {
    let mut out = HashSet::new();
    side.within(region, |node| {
        let target = match node.kind_name() {
            "assignment" | "for_statement" | "for_in_clause" => node.field("left"),
            "named_expression" => node.field("name"),
            _ => None,
        };
        if let Some(target) = target {
            out.insert(side.of(target));
        }
    });
    out
}

/// The argument of a call that takes bytes and is given a text.
fn text_for_bytes<'a>(
    after: &Side<'a>,
    call: &Call<'a>,
    texts: &HashSet<&str>,
    bound: &HashSet<&str>,
) -> Option<&'a str> {
    let (_, places, names) = TAKES_BYTES.iter().find(|it| it.0 == call.name)?;
    let arguments = call.arguments?;
    let mut cursor = arguments.walk();
    let given = arguments.named_children(&mut cursor);
    for (place, argument) in given.filter(|it| it.kind_name() != "comment").enumerate() {
        let value = match argument.field("value") {
            Some(value) if argument.kind_name() == "keyword_argument" => {
                let name = argument.field("name");
                if !name.is_some_and(|it| names.contains(&after.of(it))) {
                    continue;
                }
                value
            }
            _ if places.contains(&place) => argument,
            _ => continue,
        };
        let said = after.of(value);
        let is_text = match value.kind_name() {
            "identifier" => texts.contains(said) && !bound.contains(said),
            "string" => !said.starts_with(['b', 'B', 'r', 'R']),
            _ => false,
        };
        if is_text {
            return Some(said);
        }
    }
    None
}

/// The name of a template that only the text afterwards speaks of.
fn strange_page<'a>(before: &Side<'_>, after: &Side<'a>, call: &Call<'a>) -> Option<&'a str> {
    if !PAGES.contains(&last(&call.name)) {
        return None;
    }
    let arguments = call.arguments?;
    let mut cursor = arguments.walk();
    let mut given = arguments.named_children(&mut cursor);
    let page = given.find(|it| it.kind_name() == "string")?;
    let name = after.of(page).trim_matches(['"', '\'']);
    (!before.text.contains(name)).then_some(name)
}
