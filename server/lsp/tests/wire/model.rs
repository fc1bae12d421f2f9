//! A plain model of an edited text, and edits drawn at random. Shares no code with the server.

use serde_json::{Value, json};

/// A text that is edited the slow and obvious way.
pub(crate) struct Model {
    pub(crate) text: String,
    random: u64,
}

const PIECES: [&str; 12] = [
    "x",
    "é",
    "😀",
    "\n",
    "\r\n",
    "\"",
    "'''",
    "def f(a):\n    return a\n",
    "# 漢字\r\n",
    "  ",
    "(",
    "e\u{301}",
];

impl Model {
    pub(crate) fn new(text: &str, seed: u64) -> Self {
        Self {
            text: text.to_owned(),
            random: seed,
        }
    }

    /// A number below `limit`, by xorshift.
    fn below(&mut self, limit: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        usize::try_from(self.random % u64::try_from(limit).unwrap()).unwrap()
    }

    /// The byte offsets an editor's cursor can have: character boundaries, none between `\r` and
    /// `\n`.
    fn places(&self) -> Vec<usize> {
        let bytes = self.text.as_bytes();
        let inside = |at: usize| at > 0 && at < bytes.len() && bytes[at - 1..=at] == *b"\r\n";
        let all = 0..=self.text.len();
        all.filter(|at| self.text.is_char_boundary(*at) && !inside(*at))
            .collect()
    }

    fn position(&self, byte: usize, encoding: &str) -> Value {
        let before = &self.text[..byte];
        let ended = before.replace("\r\n", "\n");
        let line = ended.matches('\n').count();
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        let column: usize = match encoding {
            "utf-8" => byte - start,
            "utf-16" => before[start..].chars().map(char::len_utf16).sum(),
            _ => before[start..].chars().count(),
        };
        json!({ "line": line, "character": column })
    }

    /// Edits the text once, and gives the edit as a client would send it.
    pub(crate) fn edit(&mut self, encoding: &str) -> Value {
        let places = self.places();
        let from = self.below(places.len());
        let longest = 1 + places.len() / 8;
        let to = (from + self.below(longest)).min(places.len() - 1);
        let to = if self.below(3) == 0 { to } else { from };
        let (from, to) = (places[from], places[to]);
        let mut inserted = String::new();
        for _ in 0..self.below(4) {
            inserted.push_str(PIECES[self.below(PIECES.len())]);
        }
        let range = json!({
            "start": self.position(from, encoding),
            "end": self.position(to, encoding),
        });
        self.text.replace_range(from..to, &inserted);
        json!({ "range": range, "text": inserted })
    }
}

impl Model {
    /// Appends a text, and gives the edit as a client would send it.
    pub(crate) fn append(&mut self, inserted: &str, encoding: &str) -> Value {
        let end = self.position(self.text.len(), encoding);
        self.text.push_str(inserted);
        json!({ "range": { "start": end, "end": end }, "text": inserted })
    }
}
