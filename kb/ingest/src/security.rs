//! The words by which a comment shows that it speaks of security. The paper gives three categories
//! with examples (SOSecure); the list is ours.
//! It is read as one expression over the comment as the dump writes it, letter case apart.

/// Each category: its name and the alternatives of its expression.
pub const CATEGORIES: [(&str, &[&str]); 3] = [
    (
        "general",
        &[
            r"(?:in)?secur(?:e|ely|ity)\b",
            r"vulnerab(?:le|ilit)",
            r"exploit",
            r"\battack",
            r"malicious",
            r"\b(?:un|not )safe",
            r"\bhack(?:er|ed|ing|able)",
            r"\binject(?:ion|ed|ing|able)?\b",
            r"saniti[sz]",
            r"un(?:trusted|validated|checked)\b",
            r"\b(?:do not|don.t|never|can.t) trust\b",
            r"\bdanger(?:ous)?\b",
            r"\b(?:tamper|spoof|forge|hijack|eavesdrop)",
            r"privilege",
        ],
    ),
    (
        "named vulnerability",
        &[
            r"\bcve\b",
            r"\bcwe\b",
            r"\bowasp\b",
            r"\b(?:xss|csrf|xsrf|ssrf|xxe|sqli|rce|mitm|toctou|redos|ddos)\b",
            r"cross[- ]site",
            r"\b(?:arbitrary|remote) (?:code|command|file)",
            r"code execution",
            r"\b(?:buffer|integer|stack|heap) over(?:flow|run)",
            r"out[- ]of[- ]bounds",
            r"use[- ]after[- ]free",
            r"double[- ]free",
            r"dangling pointer",
            r"format string (?:bug|attack|vuln)",
            r"(?:path|directory) traversal",
            r"zip[- ](?:slip|bomb)",
            r"billion laughs",
            r"entity expansion",
            r"race condition",
            r"man[- ]in[- ]the[- ]middle",
            r"denial[- ]of[- ]service",
            r"(?:timing|replay|padding|dictionary|collision) attack",
            r"side[- ]channel",
            r"brute[- ]forc",
            r"rainbow table",
            r"open redirect",
            r"clickjack",
        ],
    ),
    (
        "risk indicator",
        &[
            r"\bdeprecated\b",
            r"\bunauthori[sz]ed\b",
            r"\boutdated\b",
            r"\bobsolete\b",
            r"\bbypass",
            r"\brisk(?:s|y)?\b",
            r"\bbad practice\b",
            r"\bhard[- ]?cod(?:ed|ing)\b",
            r"\bcredential",
            r"\bplain[- ]?text password",
            r"\bweak (?:hash|cipher|key|password|crypto|encryption|random)",
            r"\bbroken (?:hash|cipher|crypto|algorithm)",
            r"cryptographically",
            r"verify ?= ?false",
            r"undefined behaviou?r",
            r"\bleak(?:s|ed|ing)? (?:data|information|secrets?|the key|passwords?)",
            r"\bexpos(?:e|es|ed|ing)\b",
        ],
    ),
];

/// All categories as one expression.
#[must_use]
pub fn expression() -> String {
    let all: Vec<&str> = CATEGORIES
        .iter()
        .flat_map(|(_, words)| words.iter().copied())
        .collect();
    all.join("|")
}
